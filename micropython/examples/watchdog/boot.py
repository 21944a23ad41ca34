import machine
import moult_boot

wdt = machine.WDT(timeout=60000)  # more than the handshake of TLS takes, during which nothing can feed it; an RP2040 takes 8388 at most
moult_boot.start(watchdog=wdt.feed)
