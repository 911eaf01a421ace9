"""How libraries and papers name and shape the arrays that they save.

An entry is a function whose parameters are the arrays of a file by the ends of their names
(``h2h_weight`` is any ``….h2h.weight``), the optional ones with a default, and which returns fields
of `RNN`. What no file says is a keyword that lists its possible values, the likeliest first; each
combination of values is a **reading** of the file.

`read_network` gives `Imported` with

rnn : by the first reading, with the activation, leak and form that the file or the caller says.
assumed : those of "activation", "leak" and "form" that nobody said (any value is open).
readings : the other readings, an iterable of (words, RNN) built one by one each time that it is
    iterated, those that differ in fewest choices first; words such as "divided by N: nothing,
    readout of v". Empty where a file leaves nothing open.
convention : its words, such as "low rank: m, n, wi, wo".
notes : what the file says and what was skipped, one line each.
"""
