"""NetworkManager, as far as joining a Wi-Fi network goes.

Parameters, all optional:
  state         NMState at first; 20, disconnected
  wifi          the Wi-Fi devices' names; ["wlan0"]
  device_state  NMDeviceState of them; 30, disconnected
  radio         whether Wi-Fi is switched on; true
  online        the SSID that the first Wi-Fi device is on
  air           {ssid: password} of the networks in range; "" for an open one
  saved         {ssid: {"key-mgmt", "psk", "mode"}} of the profiles that are there; "key-mgmt" "" for an open one
  script        {ssid: [outcome, ...]} of the next activations, before the network behaves as air says:
                "silent" nothing ever happens, "weak" the password is asked for again as nobody answered, "dialog" it is asked for
                and someone looks at it, "dhcp", "taken" another activation takes the device, "gone" the connection ends and the
                device says nothing of why, "active-first" the connection's end is told before the device's
                Where nothing more will happen, the signal Quiet of the mock says so.
  stale         another activation's failure is told just before each answer, and its end after it
  comes_online  the state is 70 from the second time that it is read
  denied        every change is refused
  says          what adding a profile is refused with

Log() is what was asked, a line each.
"""

import dbus
import dbusmock
from dbusmock import MOCK_IFACE
from gi.repository import GLib

BUS_NAME = MANAGER = "org.freedesktop.NetworkManager"
MAIN_OBJ = ROOT = "/org/freedesktop/NetworkManager"
MAIN_IFACE = MANAGER
SYSTEM_BUS = True
SETTINGS = MANAGER + ".Settings"
PROFILE = SETTINGS + ".Connection"
DEVICE = MANAGER + ".Device"
ACTIVE = MANAGER + ".Connection.Active"
SECURITY = "802-11-wireless-security"


class State:
    """One for the whole mock: methods are called on many objects."""

    def __init__(self, main, given):
        self.main = main
        self.given = given
        self.log = []
        self.script = {ssid: list(outcomes) for ssid, outcomes in given.get("script", {}).items()}
        self.profiles = {}
        self.added = 0
        self.count = 0
        self.reads = 0


def load(mock, parameters):
    state = State(mock, parameters)
    dbusmock.mockobject.DBusMockObject.nm = state
    mock.AddProperties(MANAGER, {
        "State": dbus.UInt32(parameters.get("state", 20)),
        "WirelessEnabled": dbus.Boolean(parameters.get("radio", True)),
    })
    mock.AddObject(ROOT + "/Settings", SETTINGS, {}, [])
    mock.AddObject(ROOT + "/Devices/1", DEVICE, {"Interface": "eth0", "DeviceType": dbus.UInt32(1), "State": dbus.UInt32(20)}, [])
    for n, name in enumerate(parameters.get("wifi", ["wlan0"]), 2):
        path = f"{ROOT}/Devices/{n}"
        online = "online" in parameters and n == 2
        mock.AddObject(path, DEVICE, {
            "Interface": name,
            "DeviceType": dbus.UInt32(2),
            "State": dbus.UInt32(100 if online else parameters.get("device_state", 30)),
        }, [])
        point = dbus.ObjectPath(ROOT + "/AccessPoint/1" if online else "/")
        dbusmock.get_object(path).AddProperties(DEVICE + ".Wireless", {"ActiveAccessPoint": point})
    if "online" in parameters:
        mock.AddObject(ROOT + "/AccessPoint/1", MANAGER + ".AccessPoint", {"Ssid": dbus.ByteArray(parameters["online"].encode())}, [])
    for ssid, saved in parameters.get("saved", {}).items():
        profile = {
            "connection": {"type": "802-11-wireless", "id": ssid, "uuid": "uuid of " + ssid},
            "802-11-wireless": {"ssid": dbus.ByteArray(ssid.encode()), "mode": saved.get("mode", "infrastructure")},
            "ipv4": {"method": "auto", "addresses": dbus.Array([], signature="au"), "address-data": dbus.Array([], signature="a{sv}")},
            "ipv6": {"method": "manual", "addresses": dbus.Array(
                [dbus.Struct((octets(b"\xfd" + 14 * b"\0" + b"\1"), dbus.UInt32(64), octets(16 * b"\0")))], signature="(ayuay)"),
                "address-data": dbus.Array([dbus.Dictionary({"address": "fd00::1", "prefix": dbus.UInt32(64)}, signature="sv")], signature="a{sv}")},
        }
        if saved["key-mgmt"]:
            profile[SECURITY] = {"key-mgmt": saved["key-mgmt"], "psk": saved.get("psk", "")}
        add_profile(mock, profile)
    # A profile that is no Wi-Fi network's. ListConnections has one more, which nobody may read.
    add_profile(mock, {"connection": {"type": "802-3-ethernet", "id": "wire"}})


def add_profile(mock, settings):
    state = mock.nm
    state.added += 1
    path = f"{ROOT}/Settings/{state.added}"
    state.profiles[path] = settings
    state.main.AddObject(path, PROFILE, {}, [])
    return path


def octets(data):
    return dbus.Array([dbus.Byte(b) for b in data], signature="y")


def ssid_of(settings):
    return bytes(settings.get("802-11-wireless", {}).get("ssid", b"")).decode()


def text(value):
    return str(value) if value is not None else "-"


def allowed(state):
    if state.given.get("denied"):
        raise dbus.exceptions.DBusException("not authorized", name=MANAGER + ".PermissionDenied")


@dbus.service.method(MOCK_IFACE, out_signature="as")
def Log(self):
    return dbus.Array(self.nm.log, signature="s")


@dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
def Get(self, interface, name):
    value = self.props[interface][name]
    if interface == MANAGER and name == "State":
        self.nm.reads += 1
        if self.nm.given.get("comes_online") and self.nm.reads > 1:
            return dbus.UInt32(70)
    return value


@dbus.service.method(MANAGER, out_signature="ao")
def GetDevices(self):
    return sorted(p for p in dbusmock.get_objects() if p.startswith(ROOT + "/Devices/"))


@dbus.service.method(SETTINGS, out_signature="ao")
def ListConnections(self):
    return dbus.Array(list(self.nm.profiles) + [ROOT + "/Settings/99"], signature="o")


@dbus.service.method(PROFILE, out_signature="a{sa{sv}}")
def GetSettings(self):
    settings = self.nm.profiles[self.path]
    return {name: {k: v for k, v in section.items() if k != "psk"} for name, section in settings.items()}


@dbus.service.method(PROFILE, in_signature="s", out_signature="a{sa{sv}}")
def GetSecrets(self, name):
    section = self.nm.profiles[self.path].get(name, {})
    return {name: dbus.Dictionary({k: v for k, v in section.items() if k == "psk"}, signature="sv")}


@dbus.service.method(PROFILE, in_signature="a{sa{sv}}")
def UpdateUnsaved(self, settings):
    allowed(self.nm)
    self.nm.log.append("update {} {} {}".format(
        ssid_of(settings), text(settings.get(SECURITY, {}).get("psk")), text(settings["connection"]["uuid"])))
    known = self.nm.profiles[self.path]
    for section in ("connection", "ipv4", "ipv6"):
        for key in known[section]:
            # What address-data says may be left out in its old form, which no more than it may come back otherwise.
            left_out = key == "addresses" and key not in settings[section] and "address-data" in settings[section]
            if not left_out and settings[section].get(key) != known[section][key]:
                self.nm.log.append(f"changed {section}.{key}")
    self.nm.profiles[self.path] = settings


@dbus.service.method(PROFILE)
def Save(self):
    self.nm.log.append("save " + ssid_of(self.nm.profiles[self.path]))


@dbus.service.method(PROFILE)
def Delete(self):
    self.nm.log.append("delete " + ssid_of(self.nm.profiles.pop(self.path)))


@dbus.service.method(MANAGER, in_signature="a{sa{sv}}oo", out_signature="oo")
def AddAndActivateConnection(self, settings, device, _object):
    allowed(self.nm)
    self.nm.log.append("add {} {}".format(ssid_of(settings), text(settings.get(SECURITY, {}).get("psk"))))
    if "says" in self.nm.given:
        raise dbus.exceptions.DBusException(self.nm.given["says"], name=SETTINGS + ".InvalidProperty")
    path = add_profile(self, settings)
    return path, activate(self, path, device)


@dbus.service.method(MANAGER, in_signature="ooo", out_signature="o")
def ActivateConnection(self, path, device, _object):
    allowed(self.nm)
    self.nm.log.append("activate " + ssid_of(self.nm.profiles[path]))
    return activate(self, path, device)


def activate(mock, profile, device):
    """Returns the active connection, and then tells what becomes of it."""
    state = mock.nm
    settings = state.profiles[profile]
    state.count += 1
    active = f"{ROOT}/ActiveConnection/{state.count}"
    state.main.AddObject(active, ACTIVE, {"State": dbus.UInt32(1)}, [])

    def tell_device(*signals):
        for new, old, reason in signals:
            dbusmock.get_object(device).props[DEVICE]["StateReason"] = dbus.Struct((dbus.UInt32(new), dbus.UInt32(reason)))
            dbusmock.get_object(device).EmitSignal(DEVICE, "StateChanged", "uuu", (new, old, reason))

    def tell_active(*signals):
        for signal in signals:
            dbusmock.get_object(active).EmitSignal(ACTIVE, "StateChanged", "uu", signal)

    if state.given.get("stale"):
        tell_device((120, 60, 7))

    def fail(*signals):
        tell_device(*signals)
        tell_active((4, 3))
        tell_device((30, 120, 0))

    def go():
        ssid = ssid_of(settings)
        if state.given.get("stale"):
            tell_device((30, 120, 0), (110, 100, 60), (30, 110, 60))
        tell_device((40, 30, 0), (50, 40, 0), (60, 50, 0), (40, 60, 0), (50, 40, 0))
        steps = state.script.get(ssid, [])
        step = steps.pop(0) if steps else ""
        security = settings.get(SECURITY, {})
        wants = state.given.get("air", {}).get(ssid)
        if step in ("silent", "dialog"):
            if step == "dialog":
                tell_device((60, 50, 8))
            state.main.EmitSignal(MOCK_IFACE, "Quiet", "", ())
        elif step == "weak":
            fail((60, 50, 11), (120, 60, 7))
        elif step == "dhcp":
            fail((70, 50, 0), (120, 70, 17))
        elif step == "taken":
            tell_device((110, 50, 60))
            tell_active((4, 3))
            tell_device((30, 110, 60), (40, 30, 0))
        elif step == "gone":
            tell_active((4, 9))
        elif step == "active-first":
            tell_active((4, 3))
            tell_device((120, 50, 53), (30, 120, 0))
        elif wants is None:
            fail((120, 50, 53))
        elif wants and security.get("psk") != wants:
            fail((60, 50, 8), (120, 60, 7))
        else:
            tell_device((70, 50, 0), (80, 70, 0), (90, 80, 0), (100, 90, 0))
            tell_active((2, 1))

    GLib.idle_add(go)
    return active
