"""What the signature of a message file proves: `python verify_file.py FILE`. It needs no mailbox."""

import sys
from pathlib import Path

from azall import protocol

if __name__ == "__main__":
    proof = protocol.verify(Path(sys.argv[1]).read_bytes())
    print(f"{proof.verdict} by {proof.fingerprint or 'nobody'}")
    if proof.reason is not None:
        print(proof.reason)
    if proof.before.strip() or proof.after.strip():
        print("there is text around the envelope that nobody has signed")
    sys.exit(0 if proof.is_proven else 1)
