"""Reports: tables of scores, pictures and charts for people to read.

`scores` compares a model with others and writes the tables, and `summary` compares runs. `values`
and `histogram_chart` report the values of data, and `suggestion` proposes settings for them.
`pictures`, `planes` and `preview` turn images of any kind into RGB pictures.
"""
