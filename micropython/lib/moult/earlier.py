"""The configuration files of the two earlier systems, which still work: what moult.json has wins."""

from moult.config import add, need, read
from moult_boot import kind


def take(c, names):
    """Adds to a configuration what the files have; names are those of the folder config."""
    networks = []
    for name in sorted(names):
        module, is_module = name[:-17], name[-17:] == "_gitrepo_cfg.json"
        if is_module and module not in c["modules"]:
            add(c, module, {"url": need(read("config/" + name).get("gitrepo"), dict, name + ": gitrepo").get("url")}, name + ".")
        if name == "wifi_cfg.json":
            networks.append(need(read("config/" + name).get("wifi"), dict, name + ": wifi"))
    if kind("conf.json"):
        conf = read("conf.json")
        if conf.get("network"):
            networks.append(conf["network"])
        git = need(conf.get("git"), dict, "conf.json: git")
        url = need(git.get("url"), str, "conf.json: git.url")
        name = url.rstrip("/").split("/")[-1]
        if name[-4:] == ".git":
            name = name[:-4]
        if name not in c["modules"]:
            add(c, name, {"url": url, "dir": git.get("dir", "main"), "root": True}, "conf.json: git.")
    if c.get("wifi") is None:
        c["wifi"] = networks
