"""Row groups: chains of nests that work row by row become one kernel.

Two nests share rows when the second reads the first, at each of its points, only where some of the
first one's axes equal some of its own: those axes are the row, the others lie within it. A
softmax's maximum, sum and quotient share rows; so do the layers of a small network that maps
Gaussians to Gaussians, a norm and its statistics, the scores and the weighted sum of attention.
What a row's later stages read of its earlier ones never leaves the kernel.

::

    group                   what a group is: its stages, and what they read of each other
    grouping                nests in groups: which one joins which
    axes                    the rows of two nests brought to the same axes
    worth                   whether a group is worth its kernel: limits, and what they were found by
    plans                   how a stage is cut in a kernel: tiles, loops, orders of weights
    kept                    what a row keeps of its earlier stages, and where
    begin                   where a thread's row begins, and whether it has any
    threads, workgroups     the kernels: a thread for each row, or a workgroup
"""
