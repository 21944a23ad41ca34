"""Home Assistant's view of a board: each module an entity of the kind update."""

import json
from binascii import crc32

import moult_boot as boot


def identifier(name):
    """Makes a name into what may stand in a topic of discovery. Two names stay two."""
    out = ""
    for c in name:
        out += c if c.isalpha() or c.isdigit() or c in "_-" else "_"
    return out if out == name else "%s_%08x" % (out, crc32(name.encode()) & 0xFFFFFFFF)


def messages(agent):
    """Yields the topics and payloads that the broker keeps: of each module its state, and where to find it. A topic with a slash at its
    head is as it stands."""
    topic = agent.mqtt.topic
    board = agent.config.get("device") or topic
    device = identifier(board)
    for name, module in agent.core.modules.items():
        entity = device + "_" + identifier(name)
        where = "update/" + identifier(name)
        installed = agent.core.installed(module)
        latest = agent.latest.get(name) or installed
        busy = boot.load(name).get("step") in ("fetching", "staged", "switching")
        yield where, _filled(
            '{"installed_version":%s,"latest_version":%s,"title":%s,"release_summary":"","in_progress":%s,"update_percentage":null}',
            (installed, latest, name, busy),
        )
        yield "/homeassistant/update/%s/config" % entity, _filled(
            '{"name":%s,"unique_id":%s,"state_topic":%s,"command_topic":%s,"payload_install":%s,"availability":[{"topic":%s,"payload_available":"online",'
            '"payload_not_available":"offline"}],"qos":1,"entity_category":"config","device":{"identifiers":[%s],"name":%s},"origin":{"name":"Moult"}}',
            (name, entity, topic + "/" + where, topic + "/cmd", "update " + name, topic + "/status", device, board),
        )


def _filled(text, values):
    """Returns a JSON text with values in its places."""
    return (text % tuple([json.dumps(value) for value in values])).encode()
