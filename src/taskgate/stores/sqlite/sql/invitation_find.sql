SELECT {invitation_columns} FROM invitations WHERE id = ?
