"""The ground floor: one data model for the whole house.

Frozen, slotted dataclasses and the few pure functions that give them identity. Nothing here reads a
clock, a file, a socket or a random number, and nothing here knows any other part of Tallystick.
"""
