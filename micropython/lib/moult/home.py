"""Home Assistant's view of a board: each module an entity of the kind update."""

import json
from binascii import crc32

import moult_boot as boot


def identifier(name):
    """Makes a name into what may stand in a topic of discovery. Two names stay two."""
    out = "".join(c if c.isalpha() and ord(c) < 128 or c.isdigit() or c in "_-" else "_" for c in name)
    return out if out == name else "%s_%08x" % (out, crc32(name.encode()) & 0xFFFFFFFF)


def messages(agent):
    """Yields the topics and payloads that the broker keeps: of each module its state, and where to find it. A topic with a slash at its
    head is as it stands."""
    topic = agent.mqtt.topic
    name = agent.config.get("device") or topic
    device = identifier(name)
    for module in agent.core.modules.values():
        own = identifier(module["name"])
        entity, where = device + "_" + own, "update/" + own
        installed = agent.core.installed(module)
        latest = agent.latest.get(module["name"]) or installed
        step = boot.load(module["name"]).get("step")
        state = {"installed_version": installed, "latest_version": latest, "title": module["name"], "release_summary": ""}
        state["in_progress"], state["update_percentage"] = step in ("fetching", "staged", "switching"), None
        yield where, json.dumps(state).encode()
        yield "/homeassistant/update/%s/config" % entity, json.dumps({
            "name": module["name"],
            "unique_id": entity,
            "state_topic": topic + "/" + where,
            "command_topic": topic + "/cmd",
            "payload_install": "update " + module["name"],
            "availability": [{"topic": topic + "/status", "payload_available": "online", "payload_not_available": "offline"}],
            "qos": 1,
            "entity_category": "config",
            "device": {"identifiers": [device], "name": name},
            "origin": {"name": "Moult"},
        }).encode()
