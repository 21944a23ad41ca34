"""The routine of a board: network, clock, check, update, LEDs, messages; at the start, at intervals, in a window, after failures, and
when a person asks. It is one generator of waits, so that it runs before the application, beside it, or in asyncio."""

import time

import moult_boot as boot
from micropython import const
import moult

_LONGEST = const(500000)  # seconds: what the ticks of a board can tell apart
_RETRY = const(15)  # seconds: the first wait after a failure, doubled each time up to the last
_RETRY_LAST = const(900)


class Agent:
    """One board. feed is called while it works, listener with each event; both may be None. latest is each module's newest version, as the
    last check found it; due, in ticks, when the next round is; failures, of rounds in a row."""

    def __init__(self, feed=None, listener=None, commands=None):
        self.feed, self.listener, self.commands = feed, listener, commands or {}
        self.began = time.ticks_ms()
        self.latest, self.failures = {}, 0
        self.leds = self.mqtt = self.due = None
        self.problem, self.odd = moult.begin.setup(self)
        self.core = moult.core.Core(self.config, self.tell, feed)

    def tell(self, event):
        """Gives an event to whoever listens."""
        if event["event"] == "checked":
            self.latest[event["module"]] = event["from" if event["action"] in ("nothing", "refuse") else "version"]
        if self.listener:
            self.listener(event)
        if self.mqtt:
            self.mqtt.tell(event)

    def say(self, kind, text, module=""):
        self.tell({"event": kind, "time": boot.now(), "module": module, "text": text})

    def show(self, *patterns):
        if self.leds:
            yield from self.leds.show(*patterns)

    def first(self):
        """The first round, where one is due at a start. It never raises."""
        done = yield from moult.begin.first(self)
        moult.forget("begin", "background", "moult_slots", "moult_journal")
        if done is None:
            done = yield from self.try_round()
        return done

    def try_round(self):
        """A round whose errors become events. It returns whether it went well."""
        error = None
        try:
            yield from self.round()
        except Exception as e:
            error = e
            if isinstance(e, ImportError):  # a part that is needed was left out, perhaps the one that would tell
                self.say("failed", str(e))
        self.plan(error)
        return error is None

    def plan(self, error):
        """Sets when the next round is due."""
        wait = self.config["check"].get("every", 0)
        if error:
            wait = min(_RETRY << min(self.failures, 8), _RETRY_LAST)
            self.failures += 1
        else:
            self.failures = 0
        self.due = time.ticks_add(time.ticks_ms(), min(wait, _LONGEST) * 1000) if wait else None

    def round(self, names=None, to="", bundle=""):
        """Brings the board online, checks and updates the modules. Yellow is on while it runs and after it failed. It returns what it did
        in plain words. After a change the board restarts, and does not return."""
        yield from self.show("working")
        changed, texts, error = False, [], None
        if not bundle:
            yield from self.online()
        for name in names or list(self.core.modules):
            try:
                plan = yield from self.core.update(name, to, bundle)
                new = plan["action"] not in ("nothing", "refuse")
                changed = changed or new
                texts.append("%s is now %s" % (name, plan["version"]) if new else "%s: %s" % (name, plan["text"]))
                for m in self.core.modules.values():  # the updater that could ask a source is good
                    if self.core.is_own(m) and "limit" not in m:
                        moult.trial.confirm(self.core, m["name"])
                        moult.forget("trial")
            except Exception as e:
                error = error or e
        moult.forget("http", "tls")
        if error is None:
            yield from self.show("settled", "updated" if changed else "nothing")
        text = "\n".join(texts)
        if changed:
            yield from self.restart("to run what was updated", text)
        elif self.mqtt and not self.mqtt.lasting:
            yield from self.mqtt.flush()
        if error:
            raise error
        return text

    def online(self):
        """Joins a network where one is configured, and sets the clock."""
        if self.config["wifi"]:
            try:
                yield from moult.wifi.online(self)
            finally:
                moult.forget("wifi")

    def restart(self, why, text=""):
        """Restarts the board, once the messages are out. text answers the command that asked for it."""
        self.say("restarting", "the board is restarted: " + why)
        if self.mqtt:
            yield from self.mqtt.flush(text)
        from machine import reset

        reset()
