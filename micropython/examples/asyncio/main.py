"""An asyncio application that is looked after while it runs, and answers a command of its own over MQTT."""

import asyncio

import moult


@moult.command("temperature")
def temperature():
    return "21.5"


async def application():
    temperature()
    moult.confirm()  # what this version is for works
    while True:
        await asyncio.sleep(1)


async def main():
    await asyncio.gather(application(), moult.watch())


moult.run()
try:
    asyncio.run(main())
except Exception as e:
    moult.failed(e, "irrigation")  # a version on trial goes back at once
    raise
