"""Releases that a board takes from their forge itself, and unpacks as they come."""

import moult
import moult_boot as boot


class Source:
    """The forge of a module, with the verbs of moult.repository's. What the host said it is is noted, so that it is asked once."""

    def __init__(self, core, m):
        self.core, self.m, self.url = core, m, m["url"]
        if not m.get("forge"):
            state = boot.load(m["name"])
            if state.get("host", [""])[0] != self.url:
                self._forge()
                state["host"] = [self.url, m["forge"]]
                boot.save(m["name"], state)
            m["forge"] = state["host"][1]

    def _forge(self):
        return moult.github.Source(self.m, self.core.config, self.core.feed, self.core.meter)

    def latest(self, channel, memo):
        try:
            return self._forge().latest(channel, memo)
        finally:
            moult.forget("github", "quote", "version")

    def named(self, version):
        """A forge is asked for a release by its name alone."""

    def stage(self, version, memo, place):
        """Stages a release into a slot; a generator of waits. It returns the number of files and their bytes."""
        response = self._forge().fetch(version)
        moult.forget("github", "quote", "version")
        m, core, told = self.m, self.core, 0
        try:
            work = moult.archive.unpack(response, m["dir"], place, (m["name"], version, self.url))
            while True:
                try:
                    yield next(work)
                except StopIteration as e:
                    core.meter[1] = response.received
                    return e.value
                if core.feed:
                    core.feed()
                if response.received - told >= 16384:
                    told = response.received
                    core.say(m, "progress", version=version, received=told, total=response.left and response.left + told or 0, text="")
        finally:
            response.close()
            work = None
            moult.forget("archive")
