#!/bin/sh
# An application that confirms itself: it says that a new version is good once it has done its work for the first time.
# In config/moult.json: "run": ["sh", "main/confirm.sh"], "confirm": true, "trial": {"within": "2m"}
set -eu

read_sensor() { echo 21.5; } # your work

read_sensor >/dev/null
moult confirm "$MOULT_MODULE" --root "$MOULT_ROOT" # the agent tells both to what it starts

while :; do
	read_sensor
	sleep 60
done
