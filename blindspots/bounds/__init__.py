"""Section 4.3: how much a layer, or a network, can stretch, and the balls that no attack can leave.

`norms` bounds one layer, `layers` a network by the product of its layers, `lipsdp` a network as a
whole.
"""
