"""What the stand-ins have in common: what is asked of them is written down, a JSON object a line, in the file $BOARD_CALLS."""

import json
import os


def record(**call):
    with open(os.getenv("BOARD_CALLS"), "a") as f:
        f.write(json.dumps(call) + "\n")


def setting(name, default=None):
    """Returns what the test set: a value of the JSON in $BOARD."""
    return json.loads(os.getenv("BOARD") or "{}").get(name, default)
