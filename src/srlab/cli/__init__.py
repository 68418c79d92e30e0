"""The command line: the only package that uses Hydra.

From the command line to a configuration:

- ``command``: a command from its start to its exit code
- ``arguments``: quoting of file names, which Hydra could not parse otherwise
- ``launch``, ``resume``: runs of several processes, and runs that are resumed
- ``configuration``: composition from the folder of YAML files
- ``following``: values that follow from the files or from the model
- ``search``, ``plugins``, ``resolvers``, ``completion``: extensions of Hydra

Checks of a configuration:

- ``checking``, ``signatures``, ``settings``: types of values, by the annotations of constructors
- ``consistency``, ``trainer_keys``: values that contradict each other, or cannot be used
- ``unknown``: the message for a key that does not exist

From a configuration to objects:

- ``building``, ``assembly``, ``running``: the objects of a run, those of Lightning last
- ``describing``: the model card

Texts and endings:

- ``help``, ``comments``: the help, from the comments of the YAML files
- ``repetition``: log lines that are shown once only
- ``errors``, ``streams``, ``termination``, ``leftovers``: the end of a command, also after an error
"""
