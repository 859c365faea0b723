"""Section 4.1: adversarial images, the two attacks that find them, and the exact answers.

`lbfgs` is the paper's attack, `nearest` another way to the same images, `exact` what both are
measured by; `box` and `polytope` are their solvers. `adversaries` has attacks to train with.
"""
