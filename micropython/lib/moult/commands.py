"""What a person may ask for over MQTT: docs/mqtt.md. What is not here is the application's."""

import json
import time

import moult_boot as boot
from moult_boot import Error
from moult_journal import events, explain

_ALIASES = {"atualizar": "update", "reiniciar": "restart", "horario": "time", "hist": "history", "parametro": "set"}
_KEPT = 16  # commands that are remembered with their answers
_SETTINGS = "config/settings.json"


def take(client, payload):
    """Queues a command that came, or answers it at once where it is refused or was done before."""
    try:
        name, args, number = parse(payload)
    except (Error, ValueError, UnicodeError) as e:
        client.replies.append(_reply("", "", False, str(e)))
        return
    key = bytes(payload) if number else None
    for known in client.done:
        if key and known[0] == key:
            if known[2]:
                client.replies.append(known[2])
            return
    client.done.append([key, (name, args, number), None])


def parse(payload):
    """Reads a command as text or as JSON: its name, words and id."""
    text = bytes(payload).decode().strip()
    if not text or len(text) > 4096:
        raise Error("got an empty command" if not text else "got a command of more than 4096 bytes")
    if text[0] == "{":
        try:
            c = json.loads(text)
        except ValueError:
            raise Error('got a command that is broken JSON, want {"command": "…", "args": ["…"], "id": "…"}')
        name, args, number = c.get("command", ""), c.get("args", []), c.get("id", "")
        if not isinstance(args, list) or not all(isinstance(a, str) for a in args + [name, number]):
            raise Error("args: want a list of texts")
    else:
        words = text.split()
        name, args, number = words[0], words[1:], ""
    if not name or not all(c.isalpha() or c.isdigit() or c in "-_." for c in name):
        raise Error("got the command %r, want a word of letters and digits" % name[:64])
    return name, args, number


def _reply(name, number, ok, text):
    return json.dumps({"command": name, "id": number, "ok": ok, "text": text[:2000]}).encode()


def work(client):
    """Does the commands that wait; a generator of waits."""
    for entry in list(client.done):
        if not entry[1]:
            continue
        name, args, number = entry[1]
        entry[1] = None

        def reply(ok, text):
            return _reply(name, number, ok, text)

        client.current = reply
        try:
            text = yield from do(client.agent, _ALIASES.get(name, name), args)
            answer = reply(True, str(text))
        except Exception as e:
            answer = reply(False, explain(e))
        if client.current:  # a restart has answered already
            client.current = None
            client.replies.append(answer)
        entry[2] = answer
    client.done = [e for e in client.done if e[0]][-_KEPT:]


def do(agent, name, args):
    """Carries out a command and returns the answer; a generator of waits."""
    core = agent.core
    if name == "version":
        return "\n".join(_versions(core))
    if name == "check":
        yield from agent.online()
        names = [core.module(args[0])["name"]] if args else list(core.modules)
        return "\n".join(["%s: %s" % (n, core.check(n)["text"]) for n in names])
    if name == "update":
        names = [core.module(args[0])["name"]] if args else None
        return (yield from agent.round(names, args[1] if len(args) > 1 else ""))
    if name == "rollback":
        if not args:
            raise Error("rollback: got no module, want one")
        core.module(args[0])
        from moult.trial import roll_back

        roll_back(core, args[0], "a person asked for it")
        yield from agent.restart("to run the version before", "%s is now %s" % (args[0], core.installed(core.modules[args[0]])))
    if name == "restart":
        yield from agent.restart("a person asked for it")
    if name == "time":
        from moult.background import local

        zone = agent.config["zone"] // 60
        return "%04d-%02d-%02d %02d:%02d:%02d " % local(agent)[:6] + "%s%02d%02d" % ("-" if zone < 0 else "+", abs(zone) // 60, abs(zone) % 60)
    if name == "uptime":
        seconds = time.ticks_diff(time.ticks_ms(), agent.began) // 1000
        return "machine %dh%dm%ds" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    if name == "history":
        return _history(args[0] if args else "10")
    if name == "set":
        return _set(args)
    if name in agent.commands:
        return agent.commands[name](*args)
    raise Error("got the command %r, want one of version, check, update, rollback, restart, time, uptime, history, set, or one of the application's" % name)


def _versions(core):
    yield "moult"
    for m in core.modules.values():
        version = core.installed(m)
        trial = ", on trial" if boot.load(m["name"]).get("step") == "trial" else ""
        yield "%s %s%s" % (m["name"], version or "is not installed", trial)


def _history(count):
    if not count.isdigit() or not 0 < int(count) <= 50:
        raise Error("history: got %r, want a number from 1 to 50" % count)
    last = []
    for e in events():
        last = last[1 - int(count) :] if len(last) == int(count) else last
        last.append(" ".join((e["time"][:16].replace("T", " "), e.get("module", ""), e.get("text", ""))))
    return "\n".join(last)


def _set(args):
    """Stores a setting for the application."""
    if len(args) != 2 or not all(c.isalpha() or c.isdigit() or c in "._-" for c in args[0]):
        raise Error("set: got %d words, want a key and a value" % len(args), "set interval 60")
    try:
        settings = json.loads(boot.read(_SETTINGS) or "{}")
    except ValueError:
        settings = {}
    settings[args[0]] = args[1]
    boot.write(_SETTINGS, json.dumps(settings))
    return "%s is now %s" % tuple(args)
