import moult

moult.run()  # Wi-Fi, clock, check, update, LEDs, messages; after an update the board restarts
moult.start("src.exemplo")  # the application, whatever happened in the updater
