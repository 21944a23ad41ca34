"""Several modules, each with a config/NAME_gitrepo_cfg.json. One of them, called updater here, is moult itself."""

import moult_boot

moult_boot.start(updater="updater")  # its slot is put on the path
del moult_boot  # the updater has its own, of its own version
