"""Section 4.1: adversarial images, the two attacks that find them, and the exact answers.

`lbfgs` is the paper's attack, `nearest` another way to the same images, `exact` what both are
measured by; `box` and `polytope` are their solvers. `nearest` consists of `classes` (which one is
nearest), `projections`, a `walk` where these do not settle, and the `boundary`, where it ends.
`adversaries` has attacks to train with.
"""
