"""The routine of a board: network, clock, check, update, LEDs, messages; at the start, at intervals, in a window, after failures, and
when a person asks. It is one generator of waits, so that it runs before the application, beside it, or in asyncio."""

import gc
import time

import moult_boot as boot
from moult import forget
from moult.core import Core, explain

_LONGEST = 500000  # seconds: what the ticks of a board can tell apart
_RETRY = (15, 900)  # seconds: the first wait after a failure, doubled each time up to the last


class Agent:
    """One board. feed is called while it works, listener with each event; both may be None."""

    def __init__(self, feed=None, listener=None, commands=None):
        self.feed, self.listener = feed, listener
        self.commands = commands or {}
        self.began = time.ticks_ms()
        self.core = self.leds = self.mqtt = self.problem = None
        self.odd = []  # what is wrong and holds no update up
        self.latest = {}  # of each module, as the last check found it
        self.failures, self.due = 0, None  # of rounds in a row; when the next round is due, in ticks
        try:
            from moult import config

            self.config = config.load()
        except Exception as e:  # the application must start all the same
            self.config, self.problem = {"modules": {}, "check": {}, "leds": {}, "mqtt": {}, "wifi": [], "zone": 0}, e
        forget("config", "version")
        self.core = Core(self.config, self.tell, feed)
        try:
            if self.config["leds"]:
                from moult.leds import Leds

                self.leds = Leds(self.config["leds"])
        except Exception as e:  # a pin that is none
            self.odd.append(e)
        try:
            if self.config["mqtt"].get("url"):
                from moult.mqtt import Client

                self.mqtt = Client(self)
        except Exception as e:
            self.odd.append(e)

    def tell(self, event):
        """Gives an event to whoever listens."""
        if event["event"] == "checked":
            self.latest[event["module"]] = event["from" if event["text"].startswith("nothing") else "version"]
        if self.listener:
            self.listener(event)
        if self.mqtt:
            self.mqtt.tell(event)

    def say(self, kind, text, module=""):
        self.tell({"event": kind, "time": boot.now(), "module": module, "text": text})

    def show(self, *patterns):
        if self.leds:
            yield from self.leds.show(*patterns)

    def begin(self):
        """What comes once, before anything else: what was cut ends, and what is wrong is told."""
        cause = power_on()
        self.say("started", "moult: %s" % ("the power came on" if cause else "the board was restarted"))
        for e in self.odd + ([self.problem] if self.problem else []):
            self.tell(boot.record("config", {"since": boot.now()}, "failed", text=explain(e)))
        if self.problem:
            return
        try:
            self.core.recover()
        except Exception as e:
            self.say("failed", "recover: " + explain(e))

    def first(self):
        """The first round, where one is due at a start. It never raises."""
        self.begin()
        for name in self.core.modules:
            state = boot.load(name)
            if state.pop("back", None):
                boot.save(name, state)
                yield from self.show("back")
        yield from self.show("working")
        check = self.config["check"]
        if self.problem:
            return False
        if check.get("on") == "power-on" and not power_on() and not self._own_trial():
            yield from self.show("settled")
            self._plan(None)
            return True
        if check.get("window") and not self._allowed():
            yield from self.show("settled")
            self.due = time.ticks_ms()
            return True
        return (yield from self.try_round())

    def _allowed(self):
        from moult.watch import allowed

        return allowed(self)

    def _own_trial(self):
        """Reports whether the updater itself is on trial: a round then shows whether it can still do one."""
        for m in self.config["modules"].values():
            if self.core.is_own(m) and boot.load(m["name"]).get("step") == "trial":
                return True
        return False

    def try_round(self, names=None, to=""):
        """A round whose errors become events. It returns whether it went well."""
        error = None
        try:
            yield from self.round(names, to)
        except Exception as e:
            error = e
        self._plan(error)
        return error is None

    def _plan(self, error):
        """Sets when the next round is due."""
        every = self.config["check"].get("every", 0)
        if error:
            wait = min(_RETRY[0] << min(self.failures, 8), _RETRY[1])
            self.failures += 1
        else:
            self.failures, wait = 0, every
        self.due = time.ticks_add(time.ticks_ms(), min(wait, _LONGEST) * 1000) if wait else None

    def round(self, names=None, to=""):
        """Brings the board online, checks and updates the modules. Yellow is on while it runs and after it failed. It returns what it did
        in plain words. After a change the board restarts, and does not return."""
        yield from self.show("working")
        changed, texts, error = False, [], None
        yield from self.online()
        for name in names or list(self.core.modules):
            try:
                plan = yield from self.core.update(name, to)
                changed = changed or plan.changes()
                texts.append("%s is now %s" % (name, plan.version) if plan.changes() else "%s: %s" % (name, plan))
                self._confirm_own()
            except Exception as e:
                error = error or e
            gc.collect()
        forget("archive", "github", "version")
        if not self.mqtt:
            forget("http")
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

    def _confirm_own(self):
        """The updater that could ask a source is good."""
        for m in self.config["modules"].values():
            if self.core.is_own(m) and "limit" not in m:
                from moult.trial import confirm

                confirm(self.core, m["name"])
                forget("trial")

    def online(self):
        """Joins a network where one is configured, and sets the clock."""
        if not self.config["wifi"]:
            return
        try:
            from moult import wifi

            joined = yield from wifi.connect(self.config["wifi"])
            if joined:
                self.say("network", "joined %s" % joined)
            wifi.set_clock()
        except Exception as e:
            self.say("network", explain(e))
            raise
        finally:
            forget("wifi")

    def restart(self, why, text=""):
        """Restarts the board, once the messages are out."""
        self.say("restarting", "the board is restarted: " + why)
        if self.mqtt:
            yield from self.mqtt.flush(text)
        from machine import reset

        reset()


def power_on():
    """Reports whether the power came on, as far as the port can tell."""
    import machine

    cause = getattr(machine, "PWRON_RESET", None)
    return cause is None or machine.reset_cause() == cause
