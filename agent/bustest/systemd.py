"""systemd, as far as units are started, stopped and enabled.

Parameters, all optional:
  units    {name: {"active", "load", "sub", "restarts", "falls"}} of the units that there are; "load" is "loaded" where it is not given;
           one that falls ends once it was started, and systemd starts it again: "counted", and all one sees of it is how often;
           "waiting", and it has not been started again yet
  results  {name: [result, ...]} of the next jobs on a unit, before the rest are "done"; "" for one that never ends
  early    a job's end is told before the answer with its name
  errors   {method: D-Bus error} that a method answers with

Log() is what was asked, a line each.
"""

import dbus
import dbusmock
from dbusmock import MOCK_IFACE
from gi.repository import GLib

BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = ROOT = "/org/freedesktop/systemd1"
MAIN_IFACE = MANAGER = BUS_NAME + ".Manager"
UNIT = BUS_NAME + ".Unit"
SERVICE = BUS_NAME + ".Service"
SYSTEM_BUS = True


def load(mock, parameters):
    mock.given = parameters
    mock.log_lines = []
    mock.results = {name: list(results) for name, results in parameters.get("results", {}).items()}
    mock.subscribed = False
    mock.jobs = 0
    mock.paths = {}
    for name, unit in parameters.get("units", {}).items():
        add_unit(mock, name, unit)


def add_unit(mock, name, unit):
    path = f"{ROOT}/unit/{len(mock.paths)}"
    mock.paths[name] = path
    active = unit.get("active", "inactive")
    sub = unit.get("sub", "running" if active == "active" else "dead")
    mock.AddObject(path, UNIT, {"Id": name, "ActiveState": active, "SubState": sub, "LoadState": unit.get("load", "loaded")}, [])
    if name.endswith(".service"):
        dbusmock.get_object(path).AddProperties(SERVICE, {"NRestarts": dbus.UInt32(unit.get("restarts", 0))})
    return path


def fall(unit, way):
    if way == "waiting":
        unit.props[UNIT].update({"ActiveState": "activating", "SubState": "auto-restart"})
        return False
    unit.props[SERVICE]["NRestarts"] = dbus.UInt32(unit.props[SERVICE]["NRestarts"] + 1)
    return True  # again and again


def asked(mock, method, *args):
    mock.log_lines.append(" ".join([method, *map(str, args)]))
    if method in mock.given.get("errors", {}):
        raise dbus.exceptions.DBusException("refused by the test", name=mock.given["errors"][method])


def job(mock, method, name, mode, active):
    asked(mock, method, name, mode)
    if name not in mock.given.get("units", {}):
        raise dbus.exceptions.DBusException(f"Unit {name} not found.", name=BUS_NAME + ".NoSuchUnit")
    mock.jobs += 1
    number = mock.jobs
    path = f"{ROOT}/job/{number}"
    results = mock.results.get(str(name), [])
    result = results.pop(0) if results else "done"

    def end():
        if not mock.subscribed:
            return
        mock.EmitSignal(MANAGER, "JobRemoved", "uoss", (number + 100, f"{ROOT}/job/{number + 100}", name, "failed"))
        if result:
            unit = dbusmock.get_object(mock.paths[str(name)])
            up = active == "active" and result == "done"
            unit.props[UNIT].update({"ActiveState": active if result == "done" else "failed", "SubState": "running" if up else "dead"})
            way = mock.given["units"][str(name)].get("falls")
            if up and way:
                GLib.timeout_add(200, fall, unit, way)
            mock.EmitSignal(MANAGER, "JobRemoved", "uoss", (number, path, name, result))
        else:
            mock.EmitSignal(MOCK_IFACE, "Quiet", "", ())

    if mock.given.get("early"):
        end()
    else:
        GLib.idle_add(end)
    return path


@dbus.service.method(MOCK_IFACE, out_signature="as")
def Log(self):
    return dbus.Array(self.log_lines, signature="s")


@dbus.service.method(MANAGER)
def Subscribe(self):
    self.subscribed = True


@dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
def StartUnit(self, name, mode):
    return job(self, "StartUnit", name, mode, "active")


@dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
def RestartUnit(self, name, mode):
    return job(self, "RestartUnit", name, mode, "active")


@dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
def StopUnit(self, name, mode):
    return job(self, "StopUnit", name, mode, "inactive")


@dbus.service.method(MANAGER, in_signature="s", out_signature="o")
def LoadUnit(self, name):
    return self.paths.get(name) or add_unit(self, name, {"load": "not-found"})


@dbus.service.method(MANAGER, in_signature="asbb", out_signature="ba(sss)")
def EnableUnitFiles(self, names, runtime, force):
    asked(self, "EnableUnitFiles", *names, bool(runtime), bool(force))
    return True, dbus.Array([("symlink", "/etc/systemd/system/multi-user.target.wants/" + names[0], "/etc/systemd/system/" + names[0])], signature="(sss)")


@dbus.service.method(MANAGER, in_signature="asb", out_signature="a(sss)")
def DisableUnitFiles(self, names, runtime):
    asked(self, "DisableUnitFiles", *names, bool(runtime))
    return dbus.Array([], signature="(sss)")


@dbus.service.method(MANAGER)
def Reload(self):
    asked(self, "Reload")
