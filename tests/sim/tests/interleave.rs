//! Two processes on one mailbox, in every order.

use azall_sim::interleave::pairs;

#[test]
fn no_order_of_two_processes_loses_anything() {
    let mut wrong = Vec::new();
    for pair in pairs() {
        let tried = pair.exhaust(2, 150);
        assert!(tried.orders > 50, "{}: only {} orders", pair.name, tried.orders);
        wrong.extend(tried.wrong);
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
