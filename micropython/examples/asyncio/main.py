"""An asyncio application that is looked after while it runs, and answers a command of its own over MQTT."""

import asyncio

import moult


@moult.command("temperature")
def temperature():
    return "21.5"


async def application():
    while True:
        await asyncio.sleep(1)


async def main():
    asyncio.create_task(application())
    moult.confirm()  # this version works
    await moult.watch()


moult.run()
asyncio.run(main())
