"""One module at the root, configured by conf.json: it runs from the folder that conf.json names."""

import moult_boot

moult_boot.start()  # ends what a power cut left, and goes back from a version that failed
