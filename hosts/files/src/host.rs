//! The effects that every host with files answers alike.

use std::borrow::Borrow;

use azall_core::engine::effect::{Answer, Effect, EffectKind, IoError, IoErrorKind, WriteAtomic};
use rayon::prelude::*;

use crate::roots::Roots;
use crate::{commit, files, random};

/// The kinds of effects that are answered here. A host answers the others itself.
pub const KINDS: [EffectKind; 8] = [
    EffectKind::ReadFile,
    EffectKind::ReadMany,
    EffectKind::List,
    EffectKind::WriteAtomic,
    EffectKind::Append,
    EffectKind::Rename,
    EffectKind::Remove,
    EffectKind::Random,
];

/// Does what an effect on files, or one for randomness, asks. Of any other it says that it is not known: a host answers those
/// that it knows before it comes here.
#[must_use]
pub fn answer(roots: &Roots, effect: &Effect) -> Answer {
    match effect {
        Effect::ReadFile(effect) => Answer::ReadFile(files::read_file(roots, effect)),
        Effect::ReadMany(effect) => Answer::ReadMany(files::read_many(roots, effect)),
        Effect::List(effect) => Answer::List(files::list(roots, effect)),
        Effect::WriteAtomic(effect) => Answer::WriteAtomic(commit::commit_one(roots, effect)),
        Effect::Append(effect) => Answer::Append(files::append(roots, effect)),
        Effect::Rename(effect) => Answer::Rename(files::rename(roots, effect)),
        Effect::Remove(effect) => Answer::Remove(files::remove(roots, effect)),
        Effect::Random(effect) => Answer::Random(random::random(effect)),
        unknown => unknown.failed(IoError::new(IoErrorKind::Unsupported, "this host does not know the effect")),
    }
}

/// Does what several effects ask that were asked for together; the answers are in their order. The writes among them share their
/// syncs, and the others are shared out to all cores.
#[must_use]
pub fn answer_all(roots: &Roots, effects: &[impl Borrow<Effect> + Sync]) -> Vec<Answer> {
    let writes: Vec<&WriteAtomic> = effects.iter().filter_map(|effect| as_write(effect.borrow())).collect();
    let mut written = commit::commit(roots, &writes).into_iter().map(Answer::WriteAtomic);
    let other = |effect: &Effect| as_write(effect).is_none().then(|| answer(roots, effect));
    let others: Vec<_> = match effects {
        [alone] => vec![other(alone.borrow())],
        several => several.par_iter().map(|effect| other(effect.borrow())).collect(),
    };
    others.into_iter().filter_map(|other| other.or_else(|| written.next())).collect()
}

fn as_write(effect: &Effect) -> Option<&WriteAtomic> {
    if let Effect::WriteAtomic(write) = effect { Some(write) } else { None }
}
