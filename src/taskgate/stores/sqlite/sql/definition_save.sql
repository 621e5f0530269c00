INSERT INTO definitions (digest, content) VALUES (:digest, :content) ON CONFLICT (digest) DO NOTHING
