"""The command line: the only package that uses Hydra.

- `launch` and `running` run a command, and `command` is what an entry point declares about itself.
  `arguments` quotes values before Hydra parses them. `errors`, `streams` and `termination` decide
  how a command ends.
- `search`, `plugins`, `resolvers` and `completion` extend Hydra. `help`, `describing` and
  `comments` make the help from the comments of the YAML files.
- `checking`, `signatures`, `settings`, `unknown`, `consistency`, `repetition` and `trainer_keys`
  check a configuration. `configuration` composes it, and `following` fills in what follows from it.
- `assembly` and `building` turn a configuration into objects, and `resume` finds a run to resume.
"""
