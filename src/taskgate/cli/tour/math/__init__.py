"""The demo math service: what a service behind taskgate looks like. `demos/math_service` hands it on."""
