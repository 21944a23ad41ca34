import machine
import moult_boot

wdt = machine.WDT(timeout=60000)  # more than the handshake of TLS takes, during which nothing can feed it
moult_boot.start()
