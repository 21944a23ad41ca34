"""An application that confirms itself: it says that a new version is good once it has done its work for the first time.

In config/moult.json: "run": ["python3", "main/confirm.py"], "confirm": true, "trial": {"within": "2m"}
"""

import os
import subprocess
import time


def read_sensor():
    return 21.5  # your work


def confirm():
    """Keep this version. Where nothing is on trial there is nothing to do."""
    subprocess.run(
        ["moult", "confirm", os.environ["MOULT_MODULE"], "--root", os.environ["MOULT_ROOT"]],
        check=True,
    )


read_sensor()
confirm()

while True:
    print(read_sensor(), flush=True)
    time.sleep(60)
