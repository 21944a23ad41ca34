import moult

moult.run()
moult.start("example_module.main.example_module", "main")
