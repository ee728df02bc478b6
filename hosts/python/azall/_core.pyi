"""The compiled core: what decides. Plain data in and out; everything that touches the world is asked for as an effect. `Files` does
what is asked of files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

__version__: str

EFFECT_KINDS: tuple[str, ...]
"""Every kind of effect that an operation may ask for."""

FILE_EFFECT_KINDS: tuple[str, ...]
"""Those of them that `Files` does: on files, and randomness."""

@final
class Config:
    """A config that was opened."""

    @property
    def agent(self) -> str:
        """The agent's address."""
    @property
    def mailbox_dir(self) -> str:
        """The mailboxes folder as the config has it: relative to the config's own folder, or absolute."""
    @property
    def is_found(self) -> bool:
        """Whether there is a config file."""
    def with_mailboxes_shown(self, path: str) -> Config:
        """The same, knowing where the mailboxes folder is, as people know it, for messages."""

@final
class Flag:
    """A wish that somebody has raised. Unlike an event of `threading`, a signal handler may raise it at any point."""

    def __new__(cls) -> Flag: ...
    def set(self) -> None:
        """Raises it."""
    def clear(self) -> None:
        """Takes it back."""
    def is_set(self) -> bool:
        """Whether it is raised."""

@final
class Files:
    """A config's folder, its mailboxes, and what agents share beside them, as the native program reads and writes them: durable,
    atomic, never outside their root, never through a symbolic link in the place of a file. Threads may share it.
    """

    def __new__(cls, config: str, mailboxes: str) -> Files:
        """Both paths are absolute."""
    def answer(self, effect: Mapping[str, Any], stopping: Flag | None = None) -> dict[str, Any]:
        """Does what an effect on files asks, or runs a script, until `stopping` is raised: `{"Ok": ...}` or
        `{"Err": {"kind": ..., "message": ...}}`. What is no effect, or has a path that leaves its root, is an `ArgumentError`.
        """
    def resolve(self, place: Mapping[str, str]) -> str:
        """The path of `{"root": "config" | "mailboxes" | "shared", "path": ...}`."""

def write_archive(path: str, content: bytes) -> None:
    """Writes a ZIP archive for its owner's eyes alone, complete or not at all. An earlier archive of that name is replaced, as a
    nightly backup wants it; a file of any other kind never is.
    """

Table = tuple[str, Sequence[str], Callable[[Iterator[tuple[Any, ...]]], Any]]
"""The name of a list of maps in a command's document, and what is to stand in its place: what a function makes of these fields of
each. One that is not there is `None`, and lists in it are tuples.
"""

@final
class Op:
    """A running command. Threads may share it: each call waits for the one before it."""

    @staticmethod
    def open(file_name: str, config_shown: str, agent: str | None = None) -> Op:
        """Reads the config file of this name in the config's folder."""
    @staticmethod
    def command(command: Mapping[str, Any], config: Config, tables: Sequence[Table] = ()) -> Op:
        """Runs `{"command": NAME, "arguments": {...}}`."""
    def poll(self, unix_ms: int, offset_seconds: int = 0) -> dict[str, Any]:
        """Goes on as far as it can: `{"step": "effect" | "event" | "wait" | "opened" | "done", ...}`, or raises. Of an effect it
        tells the `id` and the `kind`.
        """
    def effect(self, id: int) -> dict[str, Any]:
        """An effect that was asked for, with its fields, for a host that does it itself."""
    def resume(self, id: int, answer: Mapping[str, Any]) -> None:
        """Answers an effect that the host did itself: `{"Ok": ...}` or `{"Err": {"kind": ..., "message": ...}}`."""
    def fulfil(self, files: Files, ids: Sequence[int]) -> bool:
        """Has effects on files done, those that were asked for together at once, and resumes with the answers that there are. While
        any are under way it waits for one at least, and tells so: poll again.
        """
    def cancel(self) -> None:
        """Asks it to stop."""
    def take_config(self) -> Config:
        """The config, after the step `opened`. Once."""

@final
class Ending:
    """What is to be printed, and the exit code."""

    @property
    def text(self) -> str:
        """What is to be printed."""
    @property
    def to_stderr(self) -> bool:
        """Whether on standard error."""
    @property
    def code(self) -> int:
        """The exit code."""

@final
class CommandLine:
    """A command line that was understood."""

    @property
    def json(self) -> bool:
        """Whether one JSON document is to be printed."""
    @property
    def verbose(self) -> bool:
        """Whether more is to be said."""
    @property
    def no_color(self) -> bool:
        """Whether colour was declined."""
    @property
    def is_for_native(self) -> bool:
        """Whether the native program alone can do it: `server`, `up`, `sandbox`."""
    @staticmethod
    def parse(arguments: Sequence[str]) -> CommandLine | Ending:
        """Understands the arguments, without the program's name."""
    def config_path(self, config_variable: str | None = None, root_variable: str | None = None) -> str:
        """Where the config file is, with `$AGENTAZALL_CONFIG` and `$AGENTAZALL_ROOT`."""
    def sources(self) -> list[dict[str, Any]]:
        """What the host has to read first: `{"from": "file" | "stdin" | "stdin-if-piped", "path": ..., "limit": ...}`."""
    def start(self, inputs: Sequence[tuple[str, bytes] | None], config: Config) -> Op | Ending:
        """The command, with what was read. Once."""

def ending(op: Op, json: bool, color: bool) -> Ending:
    """What a finished command that a command line has started prints."""

def failure_ending(message: str, exit_code: int, json: bool, color: bool) -> Ending:
    """What a failed command prints."""

def host_ending(why: str, json: bool, color: bool) -> Ending:
    """What is printed when the host could not do its part."""

def event_line(event: Mapping[str, Any], json: bool, verbose: bool, color: bool) -> tuple[str, bool] | None:
    """What an event prints, if anything, and whether on standard error."""

@final
class Identity:
    """An Ed25519 key pair."""

    @staticmethod
    def from_seed(seed: bytes) -> Identity:
        """From its private key: 32 bytes from the system's generator."""
    @staticmethod
    def from_file(file: bytes) -> Identity:
        """From the content of `.identity_key`."""
    def to_file(self, created: str) -> bytes:
        """The content of `.identity_key`: a secret."""
    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the public key's SHA-256."""
    @property
    def public_key(self) -> bytes:
        """32 bytes."""
    @property
    def public_key_b64(self) -> str:
        """The same in base64."""
    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""

@final
class Keyring:
    """The keys that were seen, by fingerprint. Threads may share it."""

    def __new__(cls, file: bytes | None = None) -> Keyring:
        """From the content of `.keyring.json`; empty without one."""
    def to_file(self) -> bytes:
        """The content of `.keyring.json`."""
    def entries(self) -> list[dict[str, Any]]:
        """`fingerprint, public_key, addresses, first_seen, last_seen, envelope2, trusted` of each."""
    def observe(self, sender: str, public_key: bytes | str, *, used_envelope2: bool, unix_ms: int) -> str:
        """Remembers that an address used a key, and tells what is known of it: a `Peer`'s word."""
    def trust(self, fingerprint: str) -> bool:
        """Settles a changed key; false when it is not there."""
    def forget(self, fingerprint: str) -> bool:
        """Forgets a key; false when it is not there."""

@final
class SeenIds:
    """Which messages were received already. A kind is `signed` (`of`: a fingerprint), `unsigned` (`of`: the sender), or
    `transport` (`of` is ignored). Threads may share it.
    """

    def __new__(cls, file: bytes | None = None, capacity: int = 10_000) -> SeenIds:
        """From the content of `.seen_ids`."""
    def contains(self, kind: str, id: str, of: str) -> bool:
        """Whether the message was seen."""
    def insert(self, kind: str, id: str, of: str) -> bool:
        """Remembers a message; false if it was there."""
    def __len__(self) -> int: ...
    def to_file(self) -> bytes:
        """The content of `.seen_ids`."""
    def unsaved(self) -> tuple[bool, str] | None:
        """What brings the file up to date: whether to append, and what; `None` when nothing changed."""
    def mark_saved(self) -> None:
        """The file is up to date."""

def fingerprint_of(public_key: bytes | str) -> str:
    """The fingerprint of a public key: 32 bytes, or their base64."""

def parse_message(file: bytes) -> dict[str, Any]:
    """`{"headers": [[name, value], ...], "body": ...}`."""

def format_message(message: Mapping[str, Any]) -> str:
    """A message file's text."""

def new_message_id(sender: str, to: str, subject: str, iso_now: str, random_hex: str) -> str:
    """The id of a new message."""

def sanitize(name: str) -> str:
    """A name as a file name."""

def verify(file: bytes, known: Mapping[str, bytes | str] | None = None) -> dict[str, Any]:
    """What a message file's signature proves."""

def verify_body(
    body: str,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    known: Mapping[str, bytes | str] | None = None,
) -> dict[str, Any]:
    """What the signature in a text proves."""

def sign_body(identity: Identity, body: str) -> str:
    """A body signed by itself: envelope 1."""

def sign_message(identity: Identity, headers: Mapping[str, Any], body: str) -> str:
    """A body signed with its headers: envelope 2."""

def sign_documented(identity: Identity, headers: Mapping[str, Any], body: str) -> str:
    """A body signed in the documented form."""

def accepts(filter: Mapping[str, Any], sender: str) -> bool:
    """Whether a filter lets a sender through."""

def day_index(day: Mapping[str, Any]) -> str:
    """The index of a day."""

def memory_index(memories: Mapping[str, Any]) -> str:
    """The index of all memories."""

def script_description(meta: bytes) -> str:
    """The description in a script's `.meta.json`."""

def machine_fingerprint(facts: Sequence[str]) -> str:
    """The fingerprint of a machine with these facts."""

def make_token(setting: Mapping[str, Any], nonce: bytes, machine_name: str) -> dict[str, Any]:
    """A trust token."""

def check_token(token: str, setting: Mapping[str, Any]) -> dict[str, Any]:
    """A trust token, checked; `TrustError` with the reason when it is refused."""

def owner_sign(secret: str, message: str) -> str:
    """An owner's word, proven."""

def owner_verify(secret: str, message: str, signature: str) -> bool:
    """Whether an owner's word is theirs."""
