"""Wakes every ten minutes, and looks for updates at every 36th time: four times a day."""

import machine
import moult

EVERY = 36
rtc = machine.RTC()  # its memory outlives deep sleep, and is empty when the power comes on
wakes = int(rtc.memory() or b"0")
rtc.memory(str((wakes + 1) % EVERY).encode())
if wakes == 0:
    moult.run()

try:
    moult.start("irrigation.main.app", "main")
finally:
    machine.deepsleep(10 * 60 * 1000)
