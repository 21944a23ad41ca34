"""What a person may ask for over MQTT: docs/mqtt.md. What is not here is the application's."""

import json
import time

import moult
import moult_boot as boot
from micropython import const
from moult_boot import Error
from moult_journal import events, explain

_KEPT = const(16)  # commands that are remembered with their answers
_EARLIER = "atualizar update reiniciar restart horario time hist history parametro set"  # the earlier system's words, and ours
_SETTINGS = "config/settings.json"


def take(client, data):
    """Queues a command that came, or answers it at once where it is refused or was done before. A command is a text or JSON: its name,
    words and id."""
    try:
        text, number = bytes(data).decode().strip(), ""
        if not text or len(text) > 4096:
            raise Error("got a command of %d bytes, want 1 to 4096" % len(text))
        if text[0] == "{":
            try:
                c = json.loads(text)
                if text[-1] != "}":  # MicroPython takes what is cut for whole
                    raise ValueError
            except ValueError:
                raise Error('got a command that is broken JSON, want {"command": "…", "args": ["…"], "id": "…"}')
            name, args, number = c.get("command", ""), c.get("args", []), c.get("id", "")
        else:
            name, *args = text.split()
        for word in [name, number] + (args if isinstance(args, list) else [None]):
            if not isinstance(word, str):
                raise Error("args: want a list of texts")
        if not _plain(name):
            raise Error("got the command %r, want a word of letters and digits" % name[:64])
    except (Error, ValueError) as e:
        client.replies.append(_reply("", "", False, str(e)))
        return
    key = bytes(data) if number else None
    for known in client.done:
        if key and known[0] == key:
            if known[2]:
                client.replies.append(known[2])
            return
    if len([1 for known in client.done if known[1]]) >= _KEPT:
        client.replies.append(_reply(name, number, False, "busy: too many commands wait; try again later"))
        return
    client.done.append([key, (name, args, number), None])


def _plain(word):
    for c in word:
        if not (c.isalpha() or c.isdigit() or c in "._-"):
            return False
    return word != ""


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
            text = yield from do(client.agent, name, args)
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
    words = _EARLIER.split()
    if name in words[::2]:
        name = words[words.index(name) + 1]
    module = args[0] if args else ""
    if module and name in ("check", "update", "rollback"):
        core.module(module)  # which must be there
    out = []
    if name == "version":
        out.append("moult")
        for m in core.modules.values():
            trial = ", on trial" if boot.load(m["name"]).get("step") == "trial" else ""
            out.append("%s %s%s" % (m["name"], core.installed(m) or "is not installed", trial))
    elif name == "check":
        yield from agent.online()
        for n in [module] if module else list(core.modules):
            out.append("%s: %s" % (n, core.check(n)["text"]))
    elif name == "update":
        return (yield from agent.round([module] if module else None, args[1] if len(args) > 1 else ""))
    elif name == "rollback":
        if not module:
            raise Error("rollback: got no module, want one")
        moult.trial.roll_back(core, module, "a person asked for it")
        yield from agent.restart("to run the version before", "%s is now %s" % (module, core.installed(core.modules[module])))
    elif name == "restart":
        yield from agent.restart("a person asked for it")
    elif name == "time":
        zone = agent.config["zone"] // 60
        return "%04d-%02d-%02d %02d:%02d:%02d " % moult.background.local(agent)[:6] + "%s%02d%02d" % ("-" if zone < 0 else "+", abs(zone) // 60, abs(zone) % 60)
    elif name == "uptime":
        seconds = time.ticks_diff(time.ticks_ms(), agent.began) // 1000
        return "machine %dh%dm%ds" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    elif name == "history":
        count = args[0] if args else "10"
        if not count.isdigit() or not 0 < int(count) <= 50:
            raise Error("history: got %r, want a number from 1 to 50" % count)
        for e in events():
            out.append(" ".join((e["time"][:16].replace("T", " "), e.get("module", ""), e.get("text", ""))))
            if len(out) > int(count):
                out.pop(0)
    elif name == "set":  # a setting for the application
        if len(args) != 2 or not _plain(args[0]):
            raise Error("set: got %d words, want a key and a value" % len(args), "set interval 60")
        try:
            settings = json.loads(boot.read(_SETTINGS) or "{}")
        except ValueError:
            settings = {}
        settings[args[0]] = args[1]
        boot.write(_SETTINGS, json.dumps(settings))
        return "%s is now %s" % tuple(args)
    elif name in agent.commands:
        return agent.commands[name](*args)
    else:
        raise Error("got the command %r, want one of version, check, update, rollback, restart, time, uptime, history, set, or one of the application's" % name)
    return "\n".join(out)
