import moult_boot

moult_boot.start()
