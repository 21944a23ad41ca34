"""What is done about a release, and what is written down of an update."""

import moult_boot as boot


def decide(core, m, version, to, downgrade):
    """The whole law of what is installed, and what not: the checked event, with an action and why. The law is that of update.Decide."""
    from moult.version import compare

    state, installed = boot.load(m["name"]), core.installed(m)
    order = compare(version, installed) if installed else 1
    if order is None:
        order = 1
    action, why = "update" if installed else "install", ""
    if state.get("step") == "trial":
        action, why = "refuse", "%s is on trial; confirm it or roll it back first" % state["to"]
    elif order == 0:
        action, why = "nothing", "%s is the newest" % installed
    elif order < 0 and downgrade:
        action = "downgrade"
    elif order < 0 and to:
        action, why = "refuse", "%s is older than the installed %s" % (version, installed)
    elif order < 0:
        action, why = "nothing", "the source offers %s, which is older than %s" % (version, installed)
    if not why and version in state.get("rejected", ()) and not to:
        action, why = "refuse", "%s was rolled back; a newer release is waited for" % version
    if why:
        text = ("nothing new: " if action == "nothing" else "refused: ") + why
    elif not installed:
        text = "%s can be installed" % version
    elif action == "update":
        text = "%s is installed, %s is new" % (installed, version)
    else:
        text = "%s is installed, to go down to %s" % (installed, version)
    return core.say(m, "checked", version=version, action=action, text=text, **{"from": installed})


def attempt(m, state, installed, version):
    """Notes in a state what is attempted."""
    state["attempt"] = state.get("attempt", 0) + 1
    state["from"], state["to"], state["since"] = installed, version, boot.now()
    state["main"], state["keep"] = m["main"], m["keep"]
    state["limit"], state["within"] = m.get("limit"), m.get("within")


def begin(core, m, plan):
    """Notes that an update begins, and reports whether one does."""
    name, version = m["name"], plan["version"]
    state = boot.load(name)
    if plan["action"] in ("nothing", "refuse"):
        if state.pop("failure", None):
            boot.save(name, state)
        boot.remove_tree(".moult/download")  # of a signed release that is not wanted
        return False
    attempt(m, state, plan["from"], version)
    state["step"] = "fetching"
    boot.save(name, state)
    core.say(m, "fetching", version=version, text="fetching %s" % version)
    return True


def staged(core, m, plan, count, size):
    """Switches to what is staged."""
    from moult_slots import finish_switch

    name, text = m["name"], "%d file%s staged and checked" % (count, "" if count == 1 else "s")
    requests, received = core.meter
    core.say(m, "staged", version=plan["version"], files=count, bytes=size, received=received, requests=requests, text=text)
    state = boot.load(name)
    if not state["limit"] and core.is_own(m):  # the updater says itself whether it is good
        state["limit"], state["within"] = 3, 300
    state["step"] = "staged"
    boot.save(name, state)
    core.tell(finish_switch(name, state, {"from": plan["from"], "received": received, "requests": requests}))


def failed(core, m, plan, cause):
    """Undoes what an update began, and writes down why it failed; the same failure twice is not written twice."""
    from moult_journal import explain, record

    name = m["name"]
    text = "update %s: %s" % (name, explain(cause))
    try:
        state = boot.load(name)
        step = state.get("step")
        untouched = boot.version(m["main"]) == (state.get("from") or None) and boot.kind(boot.places(m["main"])[0])
        if step in ("fetching", "staged") or step == "switching" and untouched:
            from moult_slots import drop

            drop(name, state)
        fields = {"version": plan["version"] if plan else "", "from": core.installed(m), "text": text, "reason": text}
        if state.get("failure") == text[:300]:
            core.say(m, "failed", **fields)
        else:
            core.tell(record(name, {"attempt": state.get("attempt", 0), "since": boot.now()}, "failed", **fields))
            state["failure"] = text[:300]
            boot.save(name, state)
    except (OSError, boot.Error):
        pass  # the flash fails too; the cause is raised
