"""A model with a memory: what it is told it remembers, and what it remembers it is told. `python memory_loop.py < lines`."""

import sys

import azall


def words(line: str) -> set[str]:
    """The words of a line."""
    return {word.strip("?.,").lower() for word in line.split()}


def model(prompt: str) -> str:
    """Stands for a language model: answers with the remembered line that shares the most words with the question."""
    *memories, question = prompt.splitlines()
    best = max(memories, key=lambda line: len(words(line) & words(question)), default="")
    return best if words(best) & words(question) else "I do not know."


def turn(mailbox: azall.Mailbox, line: str) -> str:
    """One turn of the conversation."""
    if not line.endswith("?"):
        stored = mailbox.remember(line, title="told")
        return f"(remembered under {stored.title})"
    memories = [memory.text for memory in mailbox.recall("told")]
    return model("\n".join([*memories, line]))


if __name__ == "__main__":
    with azall.Mailbox.open() as mailbox:
        mailbox.doing("Answering from memory.")
        for line in sys.stdin:
            print(turn(mailbox, line.strip()), flush=True)
