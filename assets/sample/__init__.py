"""The sample scene: a bell jar with a shell, flowers, butterflies and moss.

Modelled y up, z towards the viewer, the table's top at y = 0; `make_sample` turns it to PLY axes.
"""
