"""What happened on a board: the history, two files of a line an event. See moult_boot."""

import json
import os

from micropython import const
from moult_boot import Error, kind, makedirs, now, read

_HISTORY = ".moult/history"
_HALF = const(4096)  # bytes of a file of the history: what a small flash can spare, and a small heap can scan
_TEXT = const(500)  # characters of an event's text


def explain(e):
    """Returns an error's text in plain words, with its hint."""
    if isinstance(e, MemoryError):
        return "out of memory: %s" % e
    text = str(e) if isinstance(e, Error) else "%s: %s" % (type(e).__name__, e)
    hint = getattr(e, "hint", "")
    return "%s (hint: %s)" % (text, hint) if hint else text


def events(after=0):
    """Yields the events of the history, numbered above after. Lines that a cut left half are passed over."""
    for half in ("-1.jsonl", ".jsonl"):
        if kind(_HISTORY + half):
            with open(_HISTORY + half, "rb") as f:
                for line in f:
                    try:
                        event = json.loads(line)
                        if event["seq"] > after:
                            yield event
                    except (ValueError, KeyError, TypeError):
                        pass


def record(module, state, event, **fields):
    """Writes an event into the history and returns it; told again under its id, it is the same one. Before the state that
    makes it true is saved: cut between the two, it is recorded again."""
    fields["event"], fields["time"], fields["module"] = event, now(), module
    id = "%s-%d-%s-%s" % (module, state.get("attempt", 0), state.get("since", ""), event)
    for key in ("text", "reason"):
        if key in fields:
            fields[key] = str(fields[key])[:_TEXT]
    try:
        last = 0
        for known in events():
            last = known["seq"]
            if known.get("id") == id and event != "failed":
                return known
        last = max(last, int(read(".moult/sent") or 0)) + 1
        if event == "failed":  # one attempt can fail in several ways
            id += "-%d" % last
        makedirs(".moult")
        name = _HISTORY + ".jsonl"
        if kind(name) and os.stat(name)[6] > _HALF:
            os.rename(name, _HISTORY + "-1.jsonl")
        fields["seq"], fields["id"] = last, id
        with open(name, "ab") as f:
            f.write(("\n%s\n" % json.dumps(fields)).encode())  # the line before may have been cut
    except (OSError, ValueError) as e:  # what happened is true all the same
        fields.pop("id", None)
        fields["text"] = "%s (not in the history: %s)" % (fields.get("text", ""), e)
    return fields
