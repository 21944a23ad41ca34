"""The update of a board's modules: check, fetch, stage, switch. What waits for the network is a generator that yields the
milliseconds that it would wait, so that the same code serves a plain program and asyncio."""

import moult
import moult_boot as boot
from micropython import const

TRIES = 3  # downloads of one update
_PAUSE = const(2000)  # ms before the second; doubled each time


class Core:
    """The modules of a board. config is what moult.config gave; tell is called with each event; feed while it works. meter has the requests
    of the update that is under way, and the bytes that came; memo what the source needs again of the last check."""

    def __init__(self, config, tell, feed=None):
        self.config, self.tell, self.feed = config, tell, feed
        boot.feed = feed
        self.modules = config["modules"]
        self.meter = [0, 0]

    def module(self, name):
        if name not in self.modules:
            raise boot.Error("got no module %r" % name)
        return self.modules[name]

    def installed(self, m):
        return boot.version(m["main"]) or ""

    def is_own(self, m):
        """Reports whether a module is the one that has this package in it."""
        return boot.kind(m["main"] + "/moult") == "dir" or boot.kind(boot.places(m["main"])[0] + "/moult") == "dir"

    def say(self, m, event, **fields):
        fields["event"], fields["time"], fields["module"] = event, boot.now(), m["name"]
        self.tell(fields)
        return fields

    def source(self, m, bundle=""):
        """Returns a module's source, which is not kept: its code makes room for what comes after it. It is the signed repository, and
        nothing else, unless a module is direct."""
        bundle = bundle or m.get("bundle")
        if bundle or self.config.get("repository") and not m.get("direct"):
            return moult.repository.Source(m, "" if bundle else self.config["repository"]["url"], self.config.get("kind", ""), self.feed, self.meter, bundle)
        return moult.direct.Source(self, m)

    def check(self, name, to="", downgrade=False, bundle=""):
        """Asks the source, and returns the event of it, which is the plan."""
        m = self.module(name)
        source = self.source(m, bundle)
        known = {"of": m["channel"] + " " + source.url}
        if to:
            version, self.memo = to, source.named(to)
        else:
            state = boot.load(name)
            held = state.get("memo") or {}
            version, self.memo = source.latest(m["channel"], held.get("etag") if held.get("of") == known["of"] else None)
            known["etag"] = self.memo
            if not bundle and known != held and self.memo and self.memo[1]:
                state["memo"] = known
                boot.save(name, state)
        source = held = state = None
        moult.forget("proof", "repository", "direct", "staging", "pack", "manifest")
        return moult.plan.decide(self, m, version, to, downgrade)

    def update(self, name, to="", bundle="", downgrade=False):
        """Checks, and where there is something to do fetches, stages and switches. A generator; it returns the checked event. After an error
        main is what it was."""
        m, plan = self.module(name), None
        try:
            self.meter[:] = 0, 0
            plan = self.check(name, to, downgrade, bundle)
            yield 0
            if moult.plan.begin(self, m, plan):
                moult.forget("plan", "version")
                count, size = yield from self._fetch(m, plan["version"], bundle)
                moult.forget("repository", "direct", "http")
                moult.plan.staged(self, m, plan, count, size)
            return plan
        except Exception as e:
            moult.plan.failed(self, m, plan, e)
            raise
        finally:
            moult.forget("plan", "version", "moult_slots", "moult_journal")

    def _fetch(self, m, version, bundle):
        place = boot.places(m["main"])[0]
        for attempt in range(TRIES):
            try:
                boot.remove_tree(place)
                boot.makedirs(place)
                return (yield from self.source(m, bundle).stage(version, self.memo, place))
            except boot.Error as e:
                if not e.transient or attempt == TRIES - 1:
                    raise
                self.say(m, "retrying", version=version, reason=str(e), text="trying again (%d of %d): %s" % (attempt + 2, TRIES, e))
            yield _PAUSE << attempt
