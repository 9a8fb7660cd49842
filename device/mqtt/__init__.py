"""Captions to an MQTT broker: topics, messages and the connection that carries them.

Kept empty of imports: paho and pydantic are loaded only where a broker is used.
"""
