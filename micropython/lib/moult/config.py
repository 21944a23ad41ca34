"""A board's configuration: config/moult.json, with the keys of docs/configuration.md; and what the two earlier systems left in their files.
What is wrong is refused with the file, the key, what was found and what is expected: nothing runs on half of a configuration. What most boards
do not have is in parts of its own: earlier, times, comments."""

import json
import os
from collections import OrderedDict

import moult
from moult_boot import Error, kind


def load():
    """Reads the configuration: a dict with the keys of moult.json, its wifi a list, its modules with all that a board needs."""
    name = "config/moult.json"
    c = read(name) if kind(name) else {}
    for part in (
        " device kind timezone modules wifi github gitea gitlab gateway repository leds mqtt check",
        "leds yellow green",
        "mqtt url topic ca cert key",
        "check on every window restart",
        "github token api",
        "gitea token api",
        "repository url",
    ):
        part, _, known = part.partition(" ")
        keys(c.setdefault(part, {}) if part else c, known, part and part + ".")
    given, c["modules"] = need(c.get("modules", {}), dict, "modules"), OrderedDict()
    for name in sorted(given):  # JSON's order is lost on a board
        add(c, name, given[name], "modules." + name + ".")
    names = os.listdir("config") if kind("config") else ()
    if kind("conf.json") or "_cfg.json" in "/".join(names):
        moult.earlier.take(c, names)
    if not c["modules"]:
        raise Error("config/moult.json: got no module, want at least one")
    wifi = c.get("wifi")
    wifi = c["wifi"] = [] if wifi is None else wifi if isinstance(wifi, list) else [wifi]
    for w in wifi:
        need(need(w, dict, "wifi").get("ssid"), str, "wifi: ssid")
        secret(w, "password")
    if c["repository"]:
        need(c["repository"].get("url"), str, "repository.url")
    c["zone"] = 0
    if c["check"] or "timezone" in c:
        moult.times.take(c)
    if c["mqtt"]:
        secret(c["mqtt"], "url")
        c["mqtt"].setdefault("topic", "moult/" + c.get("device", "board"))
    secret(c["github"], "token")
    secret(c["gitea"], "token")
    moult.forget("earlier", "times", "comments")
    return c


def add(c, name, m, where):
    """Adds a module, with all that a board needs of it."""
    keys(m, "url dir channel forge direct keep confirm trial token root run unit health asset limits", where)  # the last five for Linux alone
    other = name.lower().strip("abcdefghijklmnopqrstuvwxyz0123456789._-")
    if not name or other or len(name) > 64 or name[0] in ".-" or name in ("config", "conf.json"):
        wrong(where[:-1], name, "a name of letters, digits and . _ -")
    m["name"] = name
    if "url" in m or m.get("direct") or not c["repository"]:
        need(m.get("url"), str, where + "url")
    folder = m.get("dir")
    folder = need("main" if folder is None else folder or ".", str, where + "dir").strip("/")
    m["dir"] = "" if folder == "." else folder
    if m.get("root") and not m["dir"]:
        wrong(where + "dir", folder, "a directory such as main: the root cannot be renamed")
    m["main"] = m["dir"] if m.get("root") else name + "/main"
    channel = m["channel"] = need(m.get("channel") or "stable", str, where + "channel").strip()
    if channel not in ("stable", "beta"):
        if not moult.version.terms(channel):
            wrong(where + "channel", channel, '"stable", "beta" or a version constraint such as "~> 1.2"')
    secret(m, "token")
    m["keep"] = need(m.get("keep") or [], list, where + "keep")
    for pattern in m["keep"]:
        need(pattern, str, where + "keep")
    trial = m.get("trial")
    if trial is not None or need(m.get("confirm") or False, bool, where + "confirm"):
        where += "trial."
        trial = trial or {}
        keys(trial, "starts within", where)
        m["limit"], m["within"] = need(trial.get("starts", 3), int, where + "starts"), 60
        if m["limit"] < 1:
            wrong(where + "starts", m["limit"], "at least 1 start")
        if "within" in trial:
            m["within"] = moult.times.seconds(trial["within"], where + "within")
    c["modules"][name] = m


def read(name):
    """Reads a JSON file, with comments and trailing commas as people write them."""
    with open(name) as f:
        text = f.read()
    try:
        try:
            value = json.loads(text)
        except ValueError:
            text = moult.comments.without(text)
            value = json.loads(text)
        if text.rstrip()[-1:] not in "}]":  # MicroPython takes what is cut for whole
            raise ValueError
    except ValueError:
        raise Error("%s: got what is no JSON" % name)
    return need(value, dict, name)


def secret(holder, key):
    """Puts a secret in its place, which may be {"file": NAME}."""
    value = holder.get(key)
    if isinstance(value, dict):
        try:
            with open(value["file"]) as f:
                holder[key] = f.read().strip()
            if not holder[key]:
                raise KeyError
        except (OSError, KeyError):
            raise Error('%s: got no secret that can be read, want a text or {"file": NAME}' % key)


def keys(value, known, where):
    """Refuses a key that is none of the known ones. where is what stands before it, with a point."""
    for key in need(value, dict, where[:-1]):
        if key not in known.split():
            raise Error("config/moult.json: %s%s: got an unknown key, want one of %s" % (where, key, known))


def need(value, type, where):
    """Returns what must be of a type, and no empty text. (A text of up to ten characters would stay in memory as a name.)"""
    if not isinstance(value, type) or value == "":
        wrong(where, value, {str: "a text, not empty", dict: "an object {...}", list: "a list [...]", int: "a number such as 3"}.get(type, "true or false"))
    return value


def wrong(where, got, want):
    raise Error("%s: got %r, want %s" % (where, got, want))
