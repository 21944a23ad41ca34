"""logind, as far as it reboots. Parameters: "error", the D-Bus error that it refuses with. Log() is what was asked."""

import dbus
from dbusmock import MOCK_IFACE

BUS_NAME = "org.freedesktop.login1"
MAIN_OBJ = "/org/freedesktop/login1"
MAIN_IFACE = MANAGER = BUS_NAME + ".Manager"
SYSTEM_BUS = True


def load(mock, parameters):
    mock.refusal = parameters.get("error")
    mock.log_lines = []


@dbus.service.method(MOCK_IFACE, out_signature="as")
def Log(self):
    return dbus.Array(self.log_lines, signature="s")


@dbus.service.method(MANAGER, in_signature="b")
def Reboot(self, interactive):
    self.log_lines.append(f"Reboot {bool(interactive)}")
    if self.refusal:
        raise dbus.exceptions.DBusException("refused by the test", name=self.refusal)
