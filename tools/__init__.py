"""Makes the models of pool/ai/models: photographs, training, measuring. No part of the service."""
