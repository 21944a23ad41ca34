"""A board's configuration: config/moult.json and the two earlier systems' files, with the keys of docs/configuration.md.
What is wrong is refused with the file, the key, what was found and what is expected."""

import json
import os
from collections import OrderedDict

from moult_boot import Error, kind

_FILE = "config/moult.json"
_A = "_gitrepo_cfg.json"
_LINUX = "run unit health asset limits"  # keys of a module that mean something on Linux only
_MODULE = "url dir channel forge direct keep confirm trial token root " + _LINUX
_TOP = "device kind timezone modules wifi github gitea gitlab gateway repository leds mqtt check"


class ConfigError(Error):
    """The configuration is wrong; nothing runs on half of one."""


def load():
    """Reads the configuration: a dict with the keys of moult.json, its wifi a list, its modules with all that a board needs."""
    c = _read(_FILE) or {}
    _keys(c, _TOP, "")
    for part, keys in (
        ("leds", "yellow green"),
        ("mqtt", "url topic ca cert key"),
        ("check", "on every window restart"),
        ("github", "token api"),
        ("gitea", "token api"),
        ("repository", "url"),
    ):
        _keys(c.setdefault(part, {}), keys, part)
    given, c["modules"] = _object(c.get("modules", {}), "modules"), OrderedDict()
    for name in sorted(given):  # JSON's order is lost on a board
        _add(c, name, given[name], "modules." + name)
    wifi = c.get("wifi")
    c["wifi"] = [] if wifi is None else wifi if isinstance(wifi, list) else [wifi]
    files = sorted(n for n in os.listdir("config") if n.endswith(_A)) if kind("config") else []
    for name in files:
        module = name[: -len(_A)]
        if module not in c["modules"]:
            _add(c, module, {"url": _object(_read("config/" + name).get("gitrepo"), name + ": gitrepo").get("url")}, name)
    earlier = [_object(_read("config/wifi_cfg.json").get("wifi"), "wifi_cfg.json: wifi")] if kind("config/wifi_cfg.json") else []
    if kind("conf.json"):
        b = _read("conf.json")
        if b.get("network"):
            earlier.append(b["network"])
        git = _object(b.get("git"), "conf.json: git")
        url = _text(git.get("url"), "conf.json: git.url")
        name = url.rstrip("/").split("/")[-1]
        name = name[:-4] if name.endswith(".git") else name
        if name not in c["modules"]:
            _add(c, name, {"url": url, "dir": git.get("dir", "main"), "root": True}, "conf.json: git")
    if wifi is None:
        c["wifi"] = earlier
    for i, w in enumerate(c["wifi"]):
        _text(_object(w, "wifi").get("ssid"), "wifi[%d].ssid" % i)
        w["password"] = secret(w.get("password"))
    if not c["modules"]:
        raise ConfigError("%s: got no module, want at least one" % _FILE)
    check = c["check"]
    if check.get("on", "start") not in ("start", "power-on"):
        _wrong("check.on", check["on"], '"start" or "power-on"')
    check["every"] = seconds(check["every"], "check.every") if "every" in check else 0
    if "window" in check:
        a, _, b = _text(check["window"], "check.window").partition("-")
        check["window"] = (_clock(a.strip(), "check.window"), _clock(b.strip(), "check.window"))
    if "restart" in check:
        check["restart"] = _clock(check["restart"], "check.restart")
    if c["repository"]:
        _text(c["repository"].get("url"), "repository.url")
    c["zone"] = zone(c.get("timezone", "UTC"))
    c["mqtt"]["url"] = secret(c["mqtt"].get("url"))
    c["mqtt"].setdefault("topic", "moult/" + c.get("device", "board"))
    for forge in ("github", "gitea"):
        c[forge]["token"] = secret(c[forge].get("token"))
    return c


def _add(c, name, m, where):
    _keys(_object(m, where), _MODULE, where)
    if not name or name[0] in ".-" or len(name) > 64 or name in ("config", "conf.json") or not all(x.isalpha() or x.isdigit() or x in "._-" for x in name):
        _wrong(where, name, "a name of letters, digits and . _ -")
    m["name"] = name
    if "url" in m or not (c.get("repository") or c.get("gateway")):
        _text(m.get("url"), where + ".url")
    folder = m.setdefault("dir", "main").strip("/")
    m["dir"] = "" if folder == "." else folder
    if m.get("root") and not m["dir"]:
        _wrong(where + ".dir", folder, "a directory such as main: the root cannot be renamed")
    m["main"] = m["dir"] if m.get("root") else name + "/main"
    channel = m["channel"] = m.get("channel", "").strip() or "stable"
    if channel not in ("stable", "beta"):
        from moult.version import terms

        if not terms(channel):
            _wrong(where + ".channel", channel, '"stable", "beta" or a version constraint such as "~> 1.2"')
    m["token"] = secret(m.get("token"))
    m["keep"] = m.get("keep") or []
    trial = m.get("trial")
    if trial is not None or m.get("confirm"):
        _keys(_object(trial or {}, where + ".trial"), "starts within", where + ".trial")
        trial = trial or {}
        m["limit"], m["within"] = trial.get("starts", 3), seconds(trial.get("within", "60s"), where + ".trial.within")
    c["modules"][name] = m


def _read(name):
    """Reads a JSON file, with comments and trailing commas as people write them."""
    if not kind(name):
        return None
    with open(name) as f:
        text = f.read()
    try:
        try:
            value = json.loads(text)
        except ValueError:
            text = _uncomment(text)
            value = json.loads(text)
        if text.rstrip()[-1:] not in "}]":  # MicroPython takes what is cut for whole
            raise ValueError
    except ValueError:
        raise ConfigError("%s: got what is no JSON" % name)
    return _object(value, name)


def _uncomment(text):
    out, i, quoted = [], 0, False
    while i < len(text):
        c = text[i]
        if quoted:
            if c == "\\":
                out.append(c)
                i += 1
                c = text[i : i + 1]
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif text[i : i + 2] in ("//", "/*"):
            end = text.find("\n" if text[i + 1] == "/" else "*/", i + 2)
            i = len(text) if end < 0 else end + (0 if text[i + 1] == "/" else 2)
            continue
        out.append(c)
        i += 1
    return "".join(out)


def secret(value):
    """Returns a secret, which may be {"file": NAME}."""
    if isinstance(value, dict):
        try:
            with open(value["file"]) as f:
                return f.read().strip()
        except (OSError, KeyError):
            raise ConfigError('got a secret that cannot be read, want a text or {"file": NAME}')
    return value or ""


def seconds(text, where="a time span"):
    """Reads a time span such as "15m" or "1h30m" into seconds."""
    total, number = 0, ""
    for c in str(text):
        if c in "hms" and number:
            total += int(number) * {"h": 3600, "m": 60, "s": 1}[c]
            number = ""
        elif c.isdigit():
            number += c
        else:
            total = 0
            break
    if number or not total:
        _wrong(where, text, 'a number with its unit, such as "60s", "15m" or "12h"')
    return total


def zone(text):
    """Returns a time zone's offset in seconds. A board has no time zone database: it knows UTC, Etc/GMT+3 (west of Greenwich, as the
    database has it), +05:30, and the few that need no rule."""
    known = {"UTC": 0, "Etc/UTC": 0, "America/Sao_Paulo": -3, "Asia/Tokyo": 9, "Asia/Shanghai": 8, "Asia/Singapore": 8, "Asia/Kolkata": 5.5}
    try:
        if text.startswith("Etc/GMT"):
            return -3600 * int(text[7:] or 0)
        if text[:1] in ("+", "-"):
            hours, _, minutes = text[1:].partition(":")
            return (1 if text[0] == "+" else -1) * (int(hours) * 3600 + int(minutes or 0) * 60)
        return int(known[text] * 3600)
    except (ValueError, KeyError):
        _wrong("timezone", text, 'one that a board knows: "UTC", "Etc/GMT+3", "-03:00", "America/Sao_Paulo"')


def _clock(text, where):
    parts = _text(text, where).split(":")
    try:
        h, m = int(parts[0]), int(parts[1])
        if len(parts) == 2 and 0 <= h < 24 and 0 <= m < 60:
            return h * 60 + m
    except (ValueError, IndexError):
        pass
    _wrong(where, text, 'a time of day from "00:00" to "23:59"')


def _keys(value, known, where):
    for key in _object(value, where):
        if key not in known.split():
            raise ConfigError("%s: %s: got an unknown key, want one of %s" % (_FILE, where + "." + key if where else key, known))


def _object(value, where):
    if not isinstance(value, dict):
        _wrong(where, value, "an object")
    return value


def _text(value, where):
    if not isinstance(value, str) or not value:
        _wrong(where, value, "a text")
    return value


def _wrong(where, got, want):
    raise ConfigError("%s: got %r, want %s" % (where, got, want))
