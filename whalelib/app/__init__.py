"""The page: a recording in, detections to see, hear and mend, annotations out. `whalelib app MODEL` serves it.

`page` says what stands where and what answers to what; it alone knows gradio. Beside it, each testable by itself:
`limits` (what may be handed in), `opening` (which detector), `hearing` (a visit: scores, and what they become under
the knobs), `corrections` (what a listener says, and where training reads it), `sound` (stretches to play), `drawing`
(the picture), `words` (HTML), `downloads`, and `examples`.
"""
