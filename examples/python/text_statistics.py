"""A service agent that does real work without a model: statistics of the texts that it is sent.

Send it a message with text files attached; it answers with a table, and with the most common words of each text as a CSV file.

    AGENTAZALL_CONFIG=~/statistics/config.json python text_statistics.py
"""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

import azall

LARGEST = 4 << 20
"""The largest file that is looked at, in bytes."""

MOST_WORDS = 20

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Statistics:
    """What is counted of one text."""

    name: str
    lines: int
    sentences: int
    words: Counter[str]

    @classmethod
    def of(cls, name: str, text: str) -> "Statistics":
        """Counts."""
        sentences = len(re.findall(r"[.!?]+(?:\s|$)", text))
        return cls(name, len(text.splitlines()), sentences, Counter(word.lower() for word in WORD.findall(text)))

    def row(self) -> str:
        """A line of the table."""
        total = self.words.total()
        longest = max(self.words, key=len, default="-")
        per_sentence = total / self.sentences if self.sentences else float(total)
        return f"{self.name[:30]:<30} {self.lines:>7} {total:>7} {len(self.words):>9} {per_sentence:>14.1f}  {longest[:30]}"

    def table(self) -> bytes:
        """The most common words as CSV."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["word", "count"])
        for word, count in sorted(self.words.most_common(MOST_WORDS), key=lambda counted: (-counted[1], counted[0])):
            writer.writerow([word, count])
        return file.getvalue().encode()


HEADER = f"{'text':<30} {'lines':>7} {'words':>7} {'different':>9} {'words/sentence':>14}  longest"


def texts(ticket: azall.Ticket) -> tuple[list[tuple[str, str]], list[str]]:
    """The texts of a message by name, and why others were left out."""
    found, left_out = [("message", ticket.text)] if ticket.text.strip() else [], []
    for attachment in ticket.attachments:
        try:
            found.append((attachment.name, attachment.read_bytes(LARGEST).decode("utf-8")))
        except UnicodeDecodeError:
            left_out.append(f"{attachment.name}: it is no UTF-8 text")
        except (OSError, ValueError) as error:
            left_out.append(f"{attachment.name}: {error}")
    return found, left_out


@azall.service("text-statistics", concurrency=4)
def statistics(ticket: azall.Ticket) -> azall.Reply:
    """Answers with what it has counted."""
    found, left_out = texts(ticket)
    counted = [Statistics.of(name, text) for name, text in found]
    lines = [HEADER, *(each.row() for each in counted), *(f"Left out: {reason}" for reason in left_out)]
    files = {f"words-{number}.csv": each.table() for number, each in enumerate(counted, 1)}
    return azall.Reply("\n".join(lines), files)


if __name__ == "__main__":
    print(f"{statistics.run()} messages answered")
