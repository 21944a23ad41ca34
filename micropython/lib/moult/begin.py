"""What comes once, at a start: the configuration, what an update that was cut left, and whether a round is due."""

import time

import machine
import moult
import moult_boot as boot


def setup(agent):
    """Gives an agent its configuration, LEDs and messages. It returns what is wrong with the configuration, and what else is wrong but holds
    no update up: the application must start all the same."""
    problem, odd = None, []
    try:
        agent.config = moult.config.load()
    except Exception as e:
        agent.config, problem = {"modules": {}, "check": {}, "leds": {}, "mqtt": {}, "wifi": [], "zone": 0}, e
    moult.forget("config", "version")
    try:
        if agent.config["leds"]:
            agent.leds = moult.leds.Leds(agent.config["leds"])
    except Exception as e:  # a pin that is none
        odd.append(e)
    try:
        if agent.config["mqtt"].get("url"):
            agent.mqtt = moult.mqtt.Client(agent)
    except Exception as e:
        odd.append(e)
    return problem, odd


def first(agent):
    """Says what is, ends what was cut, shows a roll back; a generator of waits. It returns None where a round is due, else whether all is
    well."""
    came = _power_on()
    agent.say("started", "moult: %s" % ("the power came on" if came else "the board was restarted"))
    for e in agent.odd + ([agent.problem] if agent.problem else []):
        from moult_journal import explain, record

        agent.tell(record("config", {"since": boot.now()}, "failed", text=explain(e)))
    own = back = failed = False
    try:
        for m in agent.core.modules.values():
            state = recover(agent.core, m)
            failed = failed or "failure" in state
            own = own or state.get("step") == "trial" and agent.core.is_own(m)
            if state.pop("back", None):
                boot.save(m["name"], state)
                back = True
    except Exception as e:
        from moult_journal import explain

        agent.say("failed", "recover: " + explain(e))
    if back:
        yield from agent.show("back")
    yield from agent.show("working")
    check = agent.config["check"]
    if agent.problem:
        return False
    if own:
        return None  # a round shows whether an updater on trial can still do one
    if check.get("on") == "power-on" and not came and not failed:
        agent.plan(None)
    elif check.get("window") and not moult.background.allowed(agent):
        agent.due = time.ticks_ms()
    else:
        return None
    yield from agent.show("settled")
    return True


def _power_on():
    """Reports whether the power came on, as far as the port can tell."""
    cause = getattr(machine, "PWRON_RESET", None)
    return cause is None or machine.reset_cause() == cause


def recover(core, m):
    """Ends what was cut, and returns the module's state. Where main is missing and next whole, another updater was cut between removing the
    one and renaming the other, and next is the module."""
    name, next = m["name"], boot.places(m["main"])[0]
    state = boot.load(name)
    step, there = state.get("step"), boot.version(next)
    if step == "trial" or not step and there is None:
        return state
    import moult_slots

    if step:
        moult_slots.recover(name, state)
    elif there and boot.version(m["main"]) is None:
        moult.plan.attempt(m, state, "", there)
        core.tell(moult_slots.finish_switch(name, state))
    else:
        boot.remove_tree(next)
    return state
