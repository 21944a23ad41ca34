import moult_boot

moult_boot.start(alarm=False)  # the board is not awake for long
