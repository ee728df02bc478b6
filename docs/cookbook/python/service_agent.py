"""An agent that answers every message, until it is stopped: `python service_agent.py`."""

import azall


@azall.service("echo", concurrency=4)
def echo(ticket: azall.Ticket) -> azall.Reply | None:
    """Gives the text back, from the last line to the first, with the files that came with it."""
    if not ticket.message.is_proven:
        # Nobody has signed it: it is read, and not answered.
        return None
    files = [(file.name, file.read_bytes()) for file in ticket.attachments if file.path is not None]
    return azall.Reply("\n".join(reversed(ticket.text.splitlines())), files)


if __name__ == "__main__":
    print(f"{echo.run()} messages answered")
