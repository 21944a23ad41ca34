"""The update of a board's modules: check, plan, fetch, stage, switch. What waits for the network is a generator that yields the
milliseconds that it would wait, so that the same code serves a plain program and asyncio."""

import time

import moult_boot as boot
from moult import forget
from moult_boot import Error

TRIES = 3  # downloads of one update
PAUSE = 2000  # ms before the second; doubled each time


class Plan:
    """What an update would do: nothing, install, update, downgrade or refuse, and why."""

    def __init__(self, installed, version, action, reason=""):
        self.installed, self.version, self.action, self.reason = installed, version, action, reason
        self.memo = None  # what a signed source needs again

    def changes(self):
        return self.action not in ("nothing", "refuse")

    def __str__(self):
        if self.action == "install":
            return "%s can be installed" % self.version
        if self.action == "update":
            return "%s is installed, %s is new" % (self.installed, self.version)
        if self.action == "downgrade":
            return "%s is installed, to go down to %s" % (self.installed, self.version)
        return ("nothing new: " if self.action == "nothing" else "refused: ") + self.reason


def decide(state, installed, version, to="", downgrade=False):
    """The whole law of what is installed, and what not."""
    from moult.version import compare

    order = compare(version, installed) if installed else None
    if state.get("step") == "trial":
        return Plan(installed, version, "refuse", "%s is on trial; confirm it or roll it back first" % state["to"])
    if not installed:
        action = "install"
    elif order == 0:
        return Plan(installed, version, "nothing", "%s is the newest" % installed)
    elif order is not None and order < 0:
        if not downgrade:
            if to:
                return Plan(installed, version, "refuse", "%s is older than the installed %s" % (version, installed))
            return Plan(installed, version, "nothing", "the source offers %s, which is older than %s" % (version, installed))
        action = "downgrade"
    else:
        action = "update"
    if version in state.get("rejected", ()) and not to:
        return Plan(installed, version, "refuse", "%s was rolled back; a newer release is waited for" % version)
    return Plan(installed, version, action)


class Core:
    """The modules of a board. config is what moult.config gave; tell is called with each event; feed while it works."""

    def __init__(self, config, tell, feed=None):
        self.config, self.tell, self.feed = config, tell, feed
        self.modules = config["modules"]
        self.meter = [0, 0]  # requests of the update that is under way, and bytes that came of a signed one

    def module(self, name):
        if name not in self.modules:
            raise Error("got no module %r" % name)
        return self.modules[name]

    def installed(self, m):
        return boot.version(m["main"]) or ""

    def say(self, m, event, **fields):
        fields["event"], fields["time"], fields["module"] = event, boot.now(), m["name"]
        self.tell(fields)

    def recover(self):
        """Ends what was cut. Where main is missing and next whole, another updater was cut between removing the one and renaming
        the other, and next is the module."""
        for name, m in self.modules.items():
            state = boot.load(name)
            step, there = state.get("step"), boot.version(boot.places(m["main"])[0])
            if step == "trial" or not step and there is None:
                continue
            import moult_slots

            if step:
                moult_slots.recover(name, state)
            elif there and boot.version(m["main"]) is None:
                self._begin(m, state, "", there)
                self.tell(moult_slots.finish_switch(name, state))
            else:
                boot.remove_tree(boot.places(m["main"])[0])
        forget("moult_slots")

    def is_signed(self, m):
        """Reports whether a module comes from the signed repository, and from nowhere else."""
        return bool(m.get("bundle") or self.config.get("repository") and not m.get("direct"))

    def source(self, m):
        """Returns a module's source, which is not kept: its code makes room for what comes after it."""
        if self.is_signed(m):
            from moult.repository import Source

            return Source(m, "" if m.get("bundle") else self.config["repository"]["url"], self.config.get("kind", ""), self.feed, self.meter, m.get("bundle"))
        from moult.github import Source

        return Source(m, self.config, self.feed, self.meter)

    def check(self, name, to="", downgrade=False):
        """Asks the source, and returns the plan."""
        m = self.module(name)
        state = boot.load(name)
        signed, memo = self.is_signed(m), None
        if not signed and not m.get("forge"):  # what the host said it is, so that it is asked once
            if state.get("host", [""])[0] != m["url"]:
                self.source(m)
                state["host"] = [m["url"], m["forge"]]
                boot.save(name, state)
            m["forge"] = state["host"][1]
        if to:
            version = to
            if signed:
                memo = self.source(m).named(to)
        else:
            key = m["channel"] + " " + (self.config["repository"]["url"] if signed and not m.get("bundle") else m.get("url", ""))
            known = state.get("memo") or {}
            version, memo = self.source(m).latest(m["channel"], known.get("etag") if known.get("of") == key else None)
            if memo and known.get("etag") != memo and (not signed or memo[1]):
                state["memo"] = {"of": key, "etag": memo}
                boot.save(name, state)
        forget("proof", "chain", "metadata", "rsa", "stream", "download", "repository")
        plan = decide(state, self.installed(m), version, to, downgrade)
        plan.memo = memo
        self.say(m, "checked", version=plan.version, text=str(plan), **{"from": plan.installed})
        return plan

    def update(self, name, to="", downgrade=False):
        """Checks, and where there is something to do fetches, stages and switches. A generator; it returns the plan. After an error
        main is what it was."""
        m = self.module(name)
        plan = None
        try:
            self.meter[:] = 0, 0
            plan = self.check(name, to, downgrade)
            yield 0
            if plan.changes():
                yield from self._install(m, plan)
            else:
                state = boot.load(name)
                if state.pop("failure", None):
                    boot.save(name, state)
                if boot.kind(".moult/download"):  # of a signed release that is not wanted
                    boot.remove_tree(".moult/download")
            return plan
        except Exception as e:
            self._failed(m, plan, e)
            raise

    def _begin(self, m, state, installed, version):
        state["attempt"] = state.get("attempt", 0) + 1
        state["from"], state["to"], state["since"] = installed, version, boot.now()
        state["main"], state["keep"] = m["main"], m["keep"]
        state["limit"], state["within"] = m.get("limit"), m.get("within")

    def is_own(self, m):
        """Reports whether a module is the one that has this package in it."""
        return boot.kind(m["main"] + "/moult") == "dir" or boot.kind(boot.places(m["main"])[0] + "/moult") == "dir"

    def _install(self, m, plan):
        name, version = m["name"], plan.version
        state = boot.load(name)
        self._begin(m, state, plan.installed, version)
        state["step"] = "fetching"
        boot.save(name, state)
        self.say(m, "fetching", version=version, text="fetching %s" % version)
        for attempt in range(1, TRIES + 1):
            try:
                count, size, received = yield from (self._signed(m, plan.memo) if self.is_signed(m) else self._stage(m, version))
                break
            except Error as e:
                if not e.transient or attempt == TRIES:
                    raise
                self.say(m, "retrying", version=version, reason=str(e), text="trying again (%d of %d): %s" % (attempt + 1, TRIES, e))
            yield PAUSE << (attempt - 1)
        text = "%d file%s staged and checked" % (count, "" if count == 1 else "s")
        self.say(m, "staged", version=version, files=count, bytes=size, received=received, requests=self.meter[0], text=text)
        if not state["limit"] and self.is_own(m):  # the updater says itself whether it is good
            state["limit"], state["within"] = 3, 300
        state["step"] = "staged"
        boot.save(name, state)
        fields = {"from": plan.installed, "received": received, "requests": self.meter[0]}
        forget("archive", "repository")
        import moult_slots

        self.tell(moult_slots.finish_switch(name, state, fields))

    def _signed(self, m, memo):
        place = boot.places(m["main"])[0]
        boot.remove_tree(place)
        boot.makedirs(place)
        count, size = yield from self.source(m).stage(memo, place)
        return count, size, self.meter[1]

    def _stage(self, m, version):
        place = boot.places(m["main"])[0]
        boot.remove_tree(place)
        boot.makedirs(place)
        response = self.source(m).fetch(version)
        forget("github", "version")
        try:
            from moult.archive import unpack

            told = 0
            work = unpack(response, m["dir"], place, (m["name"], version, m["url"]))
            while True:
                try:
                    yield next(work)
                except StopIteration as e:
                    return e.value.count, e.value.bytes, response.received
                if self.feed:
                    self.feed()
                if response.received - told >= 16384:
                    told = response.received
                    self.say(m, "progress", version=version, received=told, total=response.left and response.left + told or 0, text="")
        finally:
            response.close()

    def _failed(self, m, plan, cause):
        """Undoes what an update began, and writes down why it failed; the same failure twice is not written twice."""
        name, text = m["name"], explain(cause)
        text = "update %s: %s" % (name, text)
        try:
            state = boot.load(name)
            step = state.get("step")
            untouched = boot.version(m["main"]) == (state.get("from") or None) and boot.kind(boot.places(m["main"])[0])
            if step in ("fetching", "staged") or step == "switching" and untouched:
                boot.drop(name, state)
            fields = {"version": plan.version if plan else "", "from": self.installed(m), "text": text, "reason": text}
            if state.get("failure") == text[:300]:
                self.say(m, "failed", **fields)
            else:
                if not state.get("attempt"):
                    state["attempt"] = 0
                self.tell(boot.record(name, {"attempt": state["attempt"], "since": boot.now()}, "failed", **fields))
                state["failure"] = text[:300]
                boot.save(name, state)
        except (OSError, Error):
            pass  # the flash fails too; the cause is raised


def explain(e):
    """Returns an error's text in plain words, with its hint."""
    if isinstance(e, MemoryError):
        return "out of memory: %s" % e
    text = str(e) if isinstance(e, Error) else "%s: %s" % (type(e).__name__, e)
    return text + (" (hint: %s)" % e.hint if getattr(e, "hint", "") else "")


def drive(work, feed=None):
    """Runs a generator to its end, and returns what it returns."""
    try:
        while True:
            wait(next(work), feed)
    except StopIteration as e:
        return e.value


def wait(ms, feed=None):
    """Lets time pass, with the watchdog fed."""
    while ms > 0:
        time.sleep_ms(min(ms, 500))
        ms -= 500
        if feed:
            feed()
