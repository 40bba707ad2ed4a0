"""The second way in: many texts at once, from files to files, with the very code that reads a customer's message.

A job (:mod:`nlp.batch.job`) is cut into partitions that know nothing of one another (:mod:`nlp.batch.plan`); each is
worked on by :func:`nlp.batch.partition.run_partition` and leaves a part file and a receipt. :mod:`nlp.batch.runner`
hands them to processes of this machine; anything else that can call a function with two JSON values can do the same.
"""
