# For freezing into a firmware: include("$(MOULT)/micropython/manifest.py") in the board's own manifest.
package("moult", base_path="lib")
module("moult_boot.py", base_path="lib")
module("moult_alarm.py", base_path="lib")
module("moult_journal.py", base_path="lib")
module("moult_slots.py", base_path="lib")
